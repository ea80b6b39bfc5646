# bash completion for popbull(8).

_popbull() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local shared="-f --config -n --dry-run --json -q --quiet -v --verbose -h --help -V --version"
  local verbs="publish list show preview status retract expire check reset seen migrate stats"
  local verb= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ -z $verb && " $verbs " == *" $word "* ]]; then
      verb=$word
    fi
  done
  # bash breaks --option=value at the "=".
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $prev == "=" && $COMP_CWORD -gt 1 ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $prev in
    -f | --config | -a | --attach)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    -g | --group)
      COMPREPLY=($(compgen -g -- "$cur"))
      return
      ;;
    -u | --user | --users)
      COMPREPLY=($(compgen -u -- "$cur"))
      return
      ;;
    --to)
      if [[ $verb == migrate ]]; then
        COMPREPLY=($(compgen -W "database files" -- "$cur"))
      fi
      return
      ;;
    -s | --subject | --sender | --pattern | --from | --until | --name | --older-than)
      return
      ;;
  esac
  case $verb in
    "") COMPREPLY=($(compgen -W "$verbs $shared" -- "$cur")) ;;
    publish)
      COMPREPLY=($(compgen -f -W "-s --subject --sender -a --attach -g --group -u --users
        --pattern --from --until --name $shared" -- "$cur"))
      ;;
    preview | seen) COMPREPLY=($(compgen -W "-u --user $shared" -- "$cur")) ;;
    reset) COMPREPLY=($(compgen -W "-u --user --to $shared" -- "$cur")) ;;
    expire) COMPREPLY=($(compgen -W "--older-than --remove $shared" -- "$cur")) ;;
    migrate) COMPREPLY=($(compgen -W "--to $shared" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$shared" -- "$cur")) ;;
  esac
}

complete -F _popbull popbull
