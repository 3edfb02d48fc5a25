# SPDX-License-Identifier: BSD-3-Clause
# Completion of weir VERSION for bash, written by `weir document completion`.
_weir()
{
    local line=${COMP_LINE:0:COMP_POINT} word="" prefix="" before takes="" options=""
    local -a words
    read -ra words <<<"$line"
    if [[ $line != *[[:blank:]] ]]; then
        word=${words[-1]}
        unset 'words[-1]'
    fi
    before=${words[-1]-}
    if [[ $word == --*=* ]]; then
        before=${word%%=*} prefix=${word%%=*}=
        word=${word#*=}
    fi
    case ${words[1]-} in
<help and verbs>
    esac
    if [[ $word == -* && -n $options ]]; then
        takes=$options
    fi
    if [[ $takes == KEY=VALUE && $word == *=* ]]; then
        case $word in
<words of keys>
        *) takes="" ;;
        esac
        prefix+=${word%%=*}=
        word=${word#*=}
    elif [[ $takes == KEY=VALUE ]]; then
        compopt -o nospace 2>/dev/null
        takes="<keys>"
    fi
    if [[ $takes == FILE ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$takes" -- "$word")
    fi
    [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/$prefix}")
}
complete -F _weir weir
