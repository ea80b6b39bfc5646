# bash completion for popper(8), made from the option table.

_popper() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  # bash breaks --option=value at the "=".
  if [[ $cur == "=" ]]; then
    cur= prev+==
  elif [[ $prev == "=" && $COMP_CWORD -gt 1 ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}=
  fi
  case $prev in
    --auth-source | --auth-source=)
      COMPREPLY=($(compgen -W "pam credentials" -- "$cur"))
      return
      ;;
    --cache-dir | --cache-dir=)
      COMPREPLY=($(compgen -d -- "$cur"))
      return
      ;;
    --cache-name | --cache-name=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --check-hash-dir=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --check-old-spool-loc=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --clear-text-password | --clear-text-password=)
      COMPREPLY=($(compgen -W "default never always local" -- "$cur"))
      return
      ;;
    --config-file | --config-file= | -f | --config | --config=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --conservative-cache=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --credential-file | --credential-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --debug=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --dotlock-stale-after | --dotlock-stale-after=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --fast-update=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --gate-root | --gate-root=)
      COMPREPLY=($(compgen -d -- "$cur"))
      return
      ;;
    --gate-user | --gate-user=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --hash-spool | --hash-spool=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --home-dir-mail | --home-dir-mail=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --home-dir-misc=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --keep-temp-drop=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --lock-order | --lock-order=)
      COMPREPLY=($(compgen -W "dotlock-fcntl-flock dotlock-flock-fcntl dotlock" -- "$cur"))
      return
      ;;
    --lock-wait | --lock-wait=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --log-facility | --log-facility= | -y)
      COMPREPLY=($(compgen -W "mail local0 local1 local2 local3 local4 local5 local6 local7" -- "$cur"))
      return
      ;;
    --login-timeout | --login-timeout=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --mail-lock-check | --mail-lock-check= | -L)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --no-atomic-open=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --old-style-uid=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --pam-service | --pam-service=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --pid-file | --pid-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --server-mode=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --shy=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --spool-dir | --spool-dir=)
      COMPREPLY=($(compgen -d -- "$cur"))
      return
      ;;
    --spool-options=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --temp-dir | --temp-dir=)
      COMPREPLY=($(compgen -d -- "$cur"))
      return
      ;;
    --temp-name | --temp-name=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --timeout | --timeout= | -T)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --uid-format | --uid-format=)
      COMPREPLY=($(compgen -W "native qpopper" -- "$cur"))
      return
      ;;
    --update-on-abort=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --update-status-headers=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --user-options=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --uw-kluge=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
  esac
  [[ $cur == -* ]] || return
  COMPREPLY=($(compgen -W "--help --version --show-config --foreground --config --auth-source= --cache-dir= --cache-name= --check-hash-dir --check-old-spool-loc --clear-text-password= --config-file= --conservative-cache --credential-file= --debug --dotlock-stale-after= --fast-update --gate-root= --gate-user= --hash-spool= --home-dir-mail= --home-dir-misc --keep-temp-drop --lock-order= --lock-wait= --log-facility= --login-timeout= --mail-lock-check= --no-atomic-open --old-style-uid --pam-service= --pid-file= --server-mode --shy --spool-dir= --spool-options --temp-dir= --temp-name= --timeout= --uid-format= --update-on-abort --update-status-headers --user-options --uw-kluge" -- "$cur"))
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}
complete -F _popper popper
