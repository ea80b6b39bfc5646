# bash completion for poppassd(8).

_poppassd() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  # bash breaks --option=value at the "=".
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $prev == "=" && $COMP_CWORD -gt 1 ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $prev in
    -f | --config | --pid-file)
      COMPREPLY=($(compgen -f -- "$cur"))
      ;;
    --tls)
      COMPREPLY=($(compgen -W "none stls implicit" -- "$cur"))
      ;;
    *)
      COMPREPLY=($(compgen -W "-f --config -F --foreground --pid-file --tls -h --help -V --version" \
        -- "$cur"))
      ;;
  esac
}

complete -F _poppassd poppassd
