# bash completion for popauth(8).

_popauth() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local shared="-f --config -n --dry-run --json -q --quiet -v --verbose -h --help -V --version"
  local subcommand= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      init | set | delete | list | show | verify | device | export | import | check | recover)
        [[ -z $subcommand ]] && subcommand=$word
        ;;
      add | revoke)
        [[ $subcommand == device ]] && subcommand="device $word"
        ;;
    esac
  done
  # bash breaks --option=value at the "=".
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $prev == "=" && $COMP_CWORD -gt 1 ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $prev in
    -f | --config | --credential-file | --password-file | --maildrop)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --home)
      COMPREPLY=($(compgen -d -- "$cur"))
      return
      ;;
    --format)
      COMPREPLY=($(compgen -W "popauth qpopper text passwd-file" -- "$cur"))
      return
      ;;
    --uid | --gid | --expires | --network)
      return
      ;;
  esac
  case $subcommand in
    "") COMPREPLY=($(compgen -W "init set delete list show verify device export import check
      recover $shared" -- "$cur")) ;;
    set)
      COMPREPLY=($(compgen -W "--apop --no-apop --lock --unlock --uid --gid --home
        --maildrop --stdin --password-file --credential-file $shared" -- "$cur"))
      ;;
    verify)
      COMPREPLY=($(compgen -W "--stdin --password-file --credential-file $shared" -- "$cur"))
      ;;
    device) COMPREPLY=($(compgen -W "add list revoke --credential-file $shared" -- "$cur")) ;;
    "device add")
      COMPREPLY=($(compgen -W "--expires --network --read-only --credential-file $shared" -- "$cur"))
      ;;
    import)
      COMPREPLY=($(compgen -f -W "--format --replace --credential-file $shared" -- "$cur"))
      ;;
    *) COMPREPLY=($(compgen -W "--credential-file $shared" -- "$cur")) ;;
  esac
}

complete -F _popauth popauth
