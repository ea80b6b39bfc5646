# bash completion for popspool(8).

_popspool() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local shared="-f --config -n --dry-run --json -q --quiet -v --verbose -h --help -V --version"
  local targets="--all --stdin -j --jobs --resume"
  local verbs="list show headers cat grep stat top report check repair undo recover carve expire \
    deliver lock locks dedupe quota reindex undelete own export import merge \
    split uidl convert rehash"
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
    -f | --config | --resume | --state | --html)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --decide)
      COMPREPLY=($(compgen -W "all leading-text damaged-from-line missing-from-line glued-message
        false-separator nul-block damaged-header duplicate-message mixed-formats" -- "$cur"))
      return
      ;;
    --to)
      if [[ $verb == export ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
        return
      fi
      COMPREPLY=($(compgen -W "maildir mbox" -- "$cur"))
      return
      ;;
    -o | --output)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --policy)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --from | --ca | --password-file)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls)
      COMPREPLY=($(compgen -W "stls implicit none" -- "$cur"))
      return
      ;;
    --format)
      if [[ $verb == export ]]; then
        COMPREPLY=($(compgen -W "mbox maildir tar" -- "$cur"))
        return
      fi
      COMPREPLY=($(compgen -W "export courier cyrus cyrus-old dovecot mailutils popa3d qmail qpopper
        qpopper-old tpop3d uw" -- "$cur"))
      return
      ;;
    --uidl-format | --uidvalidity | --server | --login)
      return
      ;;
    -j | --jobs)
      return
      ;;
  esac
  if [[ -n $verb && $cur == */* ]]; then
    COMPREPLY=($(compgen -f -- "$cur"))
    return
  fi
  case $verb in
    "") COMPREPLY=($(compgen -W "$verbs $shared" -- "$cur")) ;;
    show | headers | cat) COMPREPLY=($(compgen -u -W "$shared" -- "$cur")) ;;
    grep)
      COMPREPLY=($(compgen -u -W "-i --ignore-case -F --fixed -l --messages -c --count $targets
        $shared" -- "$cur"))
      ;;
    top)
      COMPREPLY=($(compgen -u -W "-c --count --growth --state --all --stdin -j --jobs $shared" \
        -- "$cur"))
      ;;
    report)
      COMPREPLY=($(compgen -u -W "--html --state --all --stdin -j --jobs $shared" -- "$cur"))
      ;;
    repair) COMPREPLY=($(compgen -u -W "--decide $targets $shared" -- "$cur")) ;;
    undo) COMPREPLY=($(compgen -u -W "--removed $targets $shared" -- "$cur")) ;;
    dedupe) COMPREPLY=($(compgen -u -W "--no-undo $targets $shared" -- "$cur")) ;;
    expire)
      COMPREPLY=($(compgen -u -W "--older-than --retrieved --unretrieved --retrieved-for
        --with --without --larger-than --header --max-messages --max-size --policy --trash --no-undo
        --warn-days --warning
        $targets $shared" -- "$cur"))
      ;;
    deliver) COMPREPLY=($(compgen -u -W "-r --sender -s --size-limit $shared" -- "$cur")) ;;
    lock) COMPREPLY=($(compgen -u -c -W "-w --wait $shared" -- "$cur")) ;;
    undelete) COMPREPLY=($(compgen -u -W "--since --match $targets $shared" -- "$cur")) ;;
    quota)
      COMPREPLY=($(compgen -u -W "--limit --policy --over --all --stdin -j --jobs $shared" -- "$cur"))
      ;;
    locks) COMPREPLY=($(compgen -u -W "--break $targets $shared" -- "$cur")) ;;
    import) COMPREPLY=($(compgen -u -f -W "$shared" -- "$cur")) ;;
    export) COMPREPLY=($(compgen -u -W "--to --format $targets $shared" -- "$cur")) ;;
    merge) COMPREPLY=($(compgen -u -W "--into --move $targets $shared" -- "$cur")) ;;
    split)
      COMPREPLY=($(compgen -u -W "--by --to --format --older-than --move $targets $shared" -- "$cur"))
      ;;
    uidl)
      COMPREPLY=($(compgen -u -W "export import verify guess --format --from --uidl-format
        --uidvalidity --server --tls --ca --login --password-file $targets $shared" -- "$cur"))
      ;;
    rehash) COMPREPLY=($(compgen -u -W "--from --to $targets $shared" -- "$cur")) ;;
    convert) COMPREPLY=($(compgen -u -W "--to $targets $shared" -- "$cur")) ;;
    carve) COMPREPLY=($(compgen -f -W "-o --output $shared" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -u -W "$targets $shared" -- "$cur")) ;;
  esac
}

complete -F _popspool popspool
