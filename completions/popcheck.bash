# bash completion for popcheck(8).

_popcheck() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local shared="-f --config -n --dry-run --json -q --quiet -v --verbose -h --help -V --version"
  local verbs="config convert log system server who kick metrics"
  local checks="spool-dir directories file-systems space quotas spools leftovers locks"
  checks+=" configuration credentials popauth pam service-users shells certificates services ports syslog"
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
  if [[ $verb == server ]]; then
    case $prev in
      --ca | --certificate | --password-file)
        COMPREPLY=($(compgen -f -- "$cur"))
        return
        ;;
      --tls)
        COMPREPLY=($(compgen -W "auto stls implicit none" -- "$cur"))
        return
        ;;
      --format)
        COMPREPLY=($(compgen -W "text json nagios openmetrics junit" -- "$cur"))
        return
        ;;
    esac
  fi
  case $prev in
    -f | --config | --html | --textfile)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --from)
      COMPREPLY=($(compgen -W "qpopper popserv inetd xinetd dovecot courier" -- "$cur"))
      return
      ;;
    --explain | --flags)
      return
      ;;
    --format)
      COMPREPLY=($(compgen -W "text json sarif" -- "$cur"))
      return
      ;;
  esac
  if [[ $verb == metrics && $prev == --format ]]; then
    COMPREPLY=($(compgen -W "openmetrics prometheus" -- "$cur"))
    return
  fi
  if [[ $verb == system && $prev == --root ]]; then
    COMPREPLY=($(compgen -d -- "$cur"))
    return
  fi
  case $verb in
    "") COMPREPLY=($(compgen -W "$verbs $shared" -- "$cur")) ;;
    config)
      COMPREPLY=($(compgen -f -W "--effective --explain --diff --format $shared" -- "$cur"))
      ;;
    convert) COMPREPLY=($(compgen -f -W "--from --flags $shared" -- "$cur")) ;;
    log)
      COMPREPLY=($(compgen -f -W "--journal --html --since --until --rows $shared" -- "$cur"))
      ;;
    who) COMPREPLY=($(compgen -u -W "-w --watch --every $shared" -- "$cur")) ;;
    kick) COMPREPLY=($(compgen -u -W "$shared" -- "$cur")) ;;
    metrics) COMPREPLY=($(compgen -W "--format --textfile $shared" -- "$cur")) ;;
    system) COMPREPLY=($(compgen -W "--fix --root $checks $shared" -- "$cur")) ;;
    server)
      COMPREPLY=($(compgen -W "--quick --login --full --tls --ca --server-name --certificate --days
        --user --password-file --mechanism --address --deliver-by --format -w --warning -c --critical
        -t --timeout $shared" -- "$cur"))
      ;;
  esac
}

complete -F _popcheck popcheck
