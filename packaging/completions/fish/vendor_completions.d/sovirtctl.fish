# fish completion for sovirtctl: the program itself knows what may come next.
function __sovirtctl_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l out (command $words[1] __complete $words[2..-1] "$typed" 2>/dev/null)
    if test "$out[1]" = __files__
        __fish_complete_path "$typed"
    else if test (count $out) -gt 0
        printf '%s\n' $out
    end
end
complete -c sovirtctl -f -a '(__sovirtctl_complete)'
