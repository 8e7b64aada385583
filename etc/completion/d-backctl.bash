# Completion of d-backctl for bash: the program itself knows what could come next.
_d_backctl() {
    local candidate about
    COMPREPLY=()
    while IFS=$'\t' read -r candidate about; do
        if [ "$candidate" = :file ]; then
            compopt -o default
        else
            COMPREPLY+=("$candidate")
        fi
    done < <("$1" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _d_backctl d-backctl
