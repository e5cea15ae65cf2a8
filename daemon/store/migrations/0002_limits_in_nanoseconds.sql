-- cpu.max of containers was in microseconds, while the API's integers are nanoseconds unless a name says otherwise.
UPDATE resource SET spec = json_set(spec,
  '$.limits.cpu.max.quota', json_extract(spec, '$.limits.cpu.max.quota') * 1000,
  '$.limits.cpu.max.period', json_extract(spec, '$.limits.cpu.max.period') * 1000)
WHERE kind = 'container' AND json_type(spec, '$.limits.cpu.max') = 'object';

UPDATE history SET spec = json_set(spec,
  '$.limits.cpu.max.quota', json_extract(spec, '$.limits.cpu.max.quota') * 1000,
  '$.limits.cpu.max.period', json_extract(spec, '$.limits.cpu.max.period') * 1000)
WHERE json_type(spec, '$.limits.cpu.max') = 'object';
