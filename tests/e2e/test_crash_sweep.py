"""Failpoints: the daemon is killed at each of them, or meets a full disk there, and every story goes on as if it had not."""
import signal
import subprocess
import time

from harness.runner import Skip, test
from harness.stories import ArchiveStory, CgroupStory, LayerStory, NetworkStory, NicStory, PartsStory, ServiceStory, Story

DONE = (200, 201, 204)


def learn(daemon, story):
    """(step, failpoint) pairs in the order they are reached."""
    log = daemon.home / "failpoints"
    daemon.restart(SOVIRT_FAILPOINT_LOG=str(log))
    pairs = []
    for index, step in enumerate(story.steps):
        log.write_text("")
        status = story.ask(daemon, step)
        assert status in DONE, f"{step[0]}: {status} {daemon.log_tail()}"
        names = list(dict.fromkeys(log.read_text().split()))
        # A launcher is made ready for the next start whenever there is time: its failpoints belong to start and stop.
        # One that a step before this one reaches would end that step instead.
        met = {name for _, name in pairs if name.startswith("launch:")}
        pairs += [(index, name) for name in names if name not in met and (step[0] in ("start", "stop") or not name.startswith("launch:"))]
    return pairs


def asked_to_its_death(daemon, story, step, name):
    """What `step` answers of a daemon that is killed at `name`; None: nothing, it was dead."""
    if not story.upkeep:
        daemon.restart(SOVIRT_FAILPOINT=f"{name}:kill")
        return story.ask(daemon, step)
    daemon.kill()
    daemon.start(wait=False, SOVIRT_FAILPOINT=f"{name}:kill")   # upkeep may come to it before anybody asks
    try:
        daemon.await_answer()
        story.ask(daemon, step)
        daemon.process.wait(2)
    except AssertionError:
        assert daemon.process.poll() == -signal.SIGKILL, daemon.log_tail()
    except subprocess.TimeoutExpired:
        return "but upkeep had nothing to do"
    story.reached.add(name)
    return None


def met_by_upkeep(daemon, story, name):
    """The whole story, up to where the daemon's own work comes to `name`, whichever request that is for."""
    daemon.restart(SOVIRT_FAILPOINT=f"{name}:kill")
    for index, step in enumerate(story.steps):
        if story.ask(daemon, step) is None:
            break
        time.sleep(0.2)   # a moment for what it does on its own
        if daemon.process.poll() is not None:
            break
    assert daemon.process.poll() == -signal.SIGKILL, f"{name} is never reached"
    daemon.restart()
    story.check(daemon, f"killed at {name} by upkeep after {step[0]}")
    for step in story.steps[index:]:
        assert story.ask(daemon, step) in (*DONE, 404, *story.again(step)), f"after {name}, {step[0]} fails: {daemon.log_tail(3)}"
    story.check(daemon, f"killed at {name} by upkeep, and all taken down")


def led_up_to(daemon, story, index, launcher_failpoint, what):
    """The steps before `index`; with a failpoint of the launcher also that step itself. (index, state before it, what it answered)

    A launcher has the environment of the daemon that started it and is made ready whenever there is time: it may come
    to its failpoint in an earlier step than the one that was learned, which is then the step that matters.
    """
    if launcher_failpoint:
        daemon.restart(SOVIRT_FAILPOINT=launcher_failpoint)
    for at, step in enumerate(story.steps[:index]):
        before = story.state(daemon)
        status = story.ask(daemon, step)
        if status not in DONE:
            assert launcher_failpoint, f"{what}: before it, {step[0]} fails"
            return at, before, status
    before = story.state(daemon)
    return index, before, story.ask(daemon, story.steps[index]) if launcher_failpoint else None


def interrupted(daemon, story, index, name):
    """One run of the story in which the daemon, or the launcher, is killed at `name` during step `index`."""
    what = f"killed at {name} during {story.steps[index][0]}"
    of_launcher = name.startswith("launch:")
    index, before, status = led_up_to(daemon, story, index, f"{name}:kill" if of_launcher else None, what)
    if not of_launcher:
        status = asked_to_its_death(daemon, story, story.steps[index], name)
    if of_launcher:   # the daemon lives, and takes down what is left
        assert status is not None, f"{what}: the daemon died with its launcher: {daemon.log_tail(4)}"
        story.check(daemon, f"{what}, before a restart")
    elif not story.upkeep:
        assert status is None, f"{what}: it answered {status}, the failpoint was not reached"
    daemon.restart()
    found = story.state(daemon)
    story.check(daemon, what)
    status = story.ask(daemon, story.steps[index])
    assert status in story.again(story.steps[index]), f"{what}: the same request again answers {status}; {before} -> {found}; {daemon.log_tail(4)}"
    story.check(daemon, f"{what}, and asked again")
    for step in story.steps[index + 1:]:
        assert story.ask(daemon, step) in DONE, f"{what}: after it, {step[0]} fails"
    story.check(daemon, f"{what}, and all taken down")


@test("crash-failpoint-sweep", seconds=900)
def sweep(lab):
    run_sweep(lab, Story(lab.name("br")))


@test("crash-failpoint-sweep-of-networks", seconds=900)
def sweep_networks(lab):
    run_sweep(lab, NetworkStory(lab.name("")))


@test("crash-failpoint-sweep-of-nics", seconds=900)
def sweep_nics(lab):
    run_sweep(lab, NicStory(lab.name("")))


@test("crash-failpoint-sweep-of-layers", seconds=900)
def sweep_layers(lab):
    run_sweep(lab, LayerStory())


@test("crash-failpoint-sweep-of-mounts-and-volumes", seconds=900)
def sweep_parts(lab):
    run_sweep(lab, PartsStory(lab.home / "bound"))


@test("crash-failpoint-sweep-of-archives", seconds=900)
def sweep_archives(lab):
    run_sweep(lab, ArchiveStory(lab.home / "archives"))


@test("crash-failpoint-sweep-of-bridge-services", seconds=900)
def sweep_services(lab):
    run_sweep(lab, ServiceStory(lab.name("br")))


@test("crash-failpoint-sweep-of-cgroups", seconds=600)
def sweep_cgroups(lab):
    run_sweep(lab, CgroupStory())


def run_sweep(lab, story):
    daemon = lab.new_daemon(image=story.image)
    log = daemon.home / "startup"
    daemon.restart(SOVIRT_FAILPOINT_LOG=str(log))
    startup = set(log.read_text().split()) if log.exists() else set()
    pairs = learn(daemon, story)
    if not pairs:
        raise Skip("this build has no failpoints (use the dev preset)")
    story.reached = set()
    print(f"  {len(pairs)} failpoints in {len(story.steps)} steps; {len(startup)} more while it starts")
    daemon.restart()
    started, wrong = time.monotonic(), []
    for index, name in pairs:
        if name not in startup:
            try:
                interrupted(daemon, story, index, name)
            except AssertionError as error:   # the others are worth knowing too
                wrong.append(str(error))
                daemon.restart()
                story.tidy(daemon)
    print(f"  swept in {time.monotonic() - started:.0f} s")
    for name in sorted({name for _, name in pairs if story.upkeep and not name.startswith("launch:")} - story.reached - startup):
        try:
            met_by_upkeep(daemon, story, name)
        except AssertionError as error:
            wrong.append(str(error))
            daemon.restart()
            story.tidy(daemon)
    assert not wrong, f"{len(wrong)} of {len(pairs)}: " + "; ".join(wrong)


def refused(daemon, story, index, name):
    """One run of the story in which step `index` meets a full disk at `name`."""
    what = f"ENOSPC at {name} during {story.steps[index][0]}"
    of_launcher = name.startswith("launch:")
    index, before, status = led_up_to(daemon, story, index, f"{name}:error=ENOSPC" if of_launcher else None, what)
    if not of_launcher:
        daemon.restart(SOVIRT_FAILPOINT=f"{name}:error=ENOSPC")
        status = story.ask(daemon, story.steps[index])
    assert daemon.process.poll() is None and status is not None, f"{what}: the daemon died: {daemon.log_tail(4)}"
    after = story.state(daemon)
    # A stop or deletion goes forward: what is gone cannot be brought back, so it may have been done all the same.
    forward = story.steps[index][0].startswith(("stop", "delete"))
    assert status < 400 or forward or after == before, f"{what}: answered {status}, but {before} became {after}"
    daemon.restart()
    story.check(daemon, what)
    for step in story.steps[index:]:
        assert story.ask(daemon, step) in (*DONE, 404, *story.again(step)), f"{what}: after it, {step[0]} fails: {daemon.log_tail(3)}"
    story.check(daemon, f"{what}, and all taken down")


@test("crash-failpoint-errors-roll-back", seconds=900)
def errors(lab):
    run_errors(lab, Story(lab.name("br")))


@test("crash-failpoint-errors-roll-back-nics", seconds=900)
def nic_errors(lab):
    run_errors(lab, NicStory(lab.name("")))


@test("crash-failpoint-errors-roll-back-layers", seconds=900)
def layer_errors(lab):
    run_errors(lab, LayerStory())


@test("crash-failpoint-errors-roll-back-mounts-and-volumes", seconds=900)
def part_errors(lab):
    run_errors(lab, PartsStory(lab.home / "bound"))


@test("crash-failpoint-errors-roll-back-archives", seconds=900)
def archive_errors(lab):
    run_errors(lab, ArchiveStory(lab.home / "archives"))


@test("crash-failpoint-errors-roll-back-cgroups", seconds=600)
def cgroup_errors(lab):
    run_errors(lab, CgroupStory())


def run_errors(lab, story):
    daemon = lab.new_daemon(image=story.image)
    pairs = learn(daemon, story)
    if not pairs:
        raise Skip("this build has no failpoints (use the dev preset)")
    wrong = []
    for index, name in pairs:
        try:
            refused(daemon, story, index, name)
        except AssertionError as error:
            wrong.append(str(error))
            story.tidy(daemon)
            daemon.destroy()
            daemon = lab.new_daemon(image=story.image)
    assert not wrong, f"{len(wrong)} of {len(pairs)}: " + "; ".join(wrong)
