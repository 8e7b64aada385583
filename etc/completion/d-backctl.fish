# Completion of d-backctl for fish: the program itself knows what could come next.
function __d_backctl_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (command $words[1] complete $words[2..-1] 2>/dev/null)
        if test "$line" = :file
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c d-backctl -f -a '(__d_backctl_complete)'
