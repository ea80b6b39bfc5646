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
    --accepts | --accepts=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --announce-expire | --announce-expire=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --announce-login-delay | --announce-login-delay=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --auth-file | --auth-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --auth-source | --auth-source=)
      COMPREPLY=($(compgen -W "pam credentials shadow" -- "$cur"))
      return
      ;;
    --auto-delete=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --autoclose | --autoclose=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --block-uid | --block-uid=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --bulldb | --bulldb=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --bulldb-max-tries | --bulldb-max-tries=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --bulldb-nonfatal=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --bulldir | --bulldir= | -b)
      COMPREPLY=($(compgen -d -- "$cur"))
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
    --check-password-expired=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --chunky-writes | --chunky-writes=)
      COMPREPLY=($(compgen -W "default always tls ssl never" -- "$cur"))
      return
      ;;
    --clear-text-password | --clear-text-password=)
      COMPREPLY=($(compgen -W "default never always local tls ssl" -- "$cur"))
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
    --credential-owner | --credential-owner=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
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
    --downcase-user=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --drac-host | --drac-host= | -D)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --end-of-header=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --failure-delay | --failure-delay=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --failure-delay-most | --failure-delay-most=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --fast-update=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --folder | --folder=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
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
    --group-bulletins=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --group-no-server-mode | --group-no-server-mode=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --group-server-mode | --group-server-mode=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --hash-spool | --hash-spool=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --hide-utf8=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
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
    --host-name | --host-name=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --keep-temp-drop=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --keepers | --keepers=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --kerberos=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --kerberos-keytab | --kerberos-keytab=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --kerberos-replay-file | --kerberos-replay-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --kerberos-service | --kerberos-service= | -K)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --locale-dir | --locale-dir=)
      COMPREPLY=($(compgen -d -- "$cur"))
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
    --log-format | --log-format=)
      COMPREPLY=($(compgen -W "text json" -- "$cur"))
      return
      ;;
    --log-login | --log-login=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --login-cache | --login-cache=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --login-timeout | --login-timeout=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --loginfo-database | --loginfo-database=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --loginfo-host | --loginfo-host=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --loginfo-password | --loginfo-password=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --loginfo-query | --loginfo-query=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --loginfo-user | --loginfo-user=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --logudp-destination | --logudp-destination=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --logudp-multicast-ttl | --logudp-multicast-ttl=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --logudp-secret | --logudp-secret=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --mail-command | --mail-command=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --mail-command-size | --mail-command-size=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --mail-format | --mail-format=)
      COMPREPLY=($(compgen -W "auto mbox maildir" -- "$cur"))
      return
      ;;
    --mail-lock-check | --mail-lock-check= | -L)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --max-bulletins | --max-bulletins=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --max-connections | --max-connections=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --max-connections-per-address | --max-connections-per-address=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --no-atomic-open=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --nonauth-file | --nonauth-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --oauth-helper | --oauth-helper=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --oauth-helper-user | --oauth-helper-user=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --oauth-scope | --oauth-scope=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --oauth-timeout | --oauth-timeout=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
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
    --pam-session=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --pid-file | --pid-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --popbulldir | --popbulldir=)
      COMPREPLY=($(compgen -d -- "$cur"))
      return
      ;;
    --poppassd-clear-text=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --poppassd-connections | --poppassd-connections=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --poppassd-min-length | --poppassd-min-length=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --poppassd-pam-service | --poppassd-pam-service=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --poppassd-timeout | --poppassd-timeout=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --proxy-networks | --proxy-networks=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --replace-nul=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --require-shell=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --reverse-lookup=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --sasl-forward-secrecy=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --sasl-log-login | --sasl-log-login=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --sasl-max-ssf | --sasl-max-ssf=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --sasl-mechanisms | --sasl-mechanisms=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --sasl-min-ssf | --sasl-min-ssf=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --sasl-no-active=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --sasl-no-anonymous=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --sasl-no-dictionary=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --sasl-no-plaintext=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --scoreboard | --scoreboard=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --server-mode=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --session-arguments | --session-arguments=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --session-program | --session-program=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --session-takeover | --session-takeover=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
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
    --statistics=)
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
    --timing=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --tls-cipher-list | --tls-cipher-list=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --tls-cipher-suites | --tls-cipher-suites=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --tls-client-ca-file | --tls-client-ca-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls-client-certificates | --tls-client-certificates=)
      COMPREPLY=($(compgen -W "none optional required" -- "$cur"))
      return
      ;;
    --tls-client-user | --tls-client-user=)
      COMPREPLY=($(compgen -W "none subject-cn san-email san-email-local map" -- "$cur"))
      return
      ;;
    --tls-client-user-map | --tls-client-user-map=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls-identity-file | --tls-identity-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls-more-certificates | --tls-more-certificates=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --tls-ocsp-file | --tls-ocsp-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls-options | --tls-options=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --tls-passphrase | --tls-passphrase=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --tls-private-key-file | --tls-private-key-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls-server-cert-file | --tls-server-cert-file=)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --tls-session-lifetime | --tls-session-lifetime=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --tls-support | --tls-support=)
      COMPREPLY=($(compgen -W "none default stls alternate-port" -- "$cur"))
      return
      ;;
    --tls-version | --tls-version=)
      COMPREPLY=($(compgen -W "default SSLv2 SSLv3 TLSv1 SSLv23 all 1.2 1.3 1.2-1.3" -- "$cur"))
      return
      ;;
    --tls-workarounds=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --trace-bodies=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --tracefile | --tracefile= | -t)
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    --trash-days | --trash-days=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --trash-size | --trash-size=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --trim-domain=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
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
    --useropt | --useropt=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --uw-kluge=)
      COMPREPLY=($(compgen -W "true false" -- "$cur"))
      return
      ;;
    --whoson-rules | --whoson-rules=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
    --whoson-server | --whoson-server=)
      COMPREPLY=($(compgen -W "" -- "$cur"))
      return
      ;;
  esac
  [[ $cur == -* ]] || return
  COMPREPLY=($(compgen -W "--help --version --show-config --foreground --preauth --config --accepts= --announce-expire= --announce-login-delay= --auth-file= --auth-source= --auto-delete --autoclose= --block-uid= --bulldb= --bulldb-max-tries= --bulldb-nonfatal --bulldir= --cache-dir= --cache-name= --check-hash-dir --check-old-spool-loc --check-password-expired --chunky-writes= --clear-text-password= --config-file= --conservative-cache --credential-file= --credential-owner= --debug --dotlock-stale-after= --downcase-user --drac-host= --end-of-header --failure-delay= --failure-delay-most= --fast-update --folder= --gate-root= --gate-user= --group-bulletins --group-no-server-mode= --group-server-mode= --hash-spool= --hide-utf8 --home-dir-mail= --home-dir-misc --host-name= --keep-temp-drop --keepers= --kerberos --kerberos-keytab= --kerberos-replay-file= --kerberos-service= --locale-dir= --lock-order= --lock-wait= --log-facility= --log-format= --log-login= --login-cache= --login-timeout= --loginfo-database= --loginfo-host= --loginfo-password= --loginfo-query= --loginfo-user= --logudp-destination= --logudp-multicast-ttl= --logudp-secret= --mail-command= --mail-command-size= --mail-format= --mail-lock-check= --max-bulletins= --max-connections= --max-connections-per-address= --no-atomic-open --nonauth-file= --oauth-helper= --oauth-helper-user= --oauth-scope= --oauth-timeout= --old-style-uid --pam-service= --pam-session --pid-file= --popbulldir= --poppassd-clear-text --poppassd-connections= --poppassd-min-length= --poppassd-pam-service= --poppassd-timeout= --proxy-networks= --replace-nul --require-shell --reverse-lookup --sasl-forward-secrecy --sasl-log-login= --sasl-max-ssf= --sasl-mechanisms= --sasl-min-ssf= --sasl-no-active --sasl-no-anonymous --sasl-no-dictionary --sasl-no-plaintext --scoreboard= --server-mode --session-arguments= --session-program= --session-takeover= --shy --spool-dir= --spool-options --statistics --temp-dir= --temp-name= --timeout= --timing --tls-cipher-list= --tls-cipher-suites= --tls-client-ca-file= --tls-client-certificates= --tls-client-user= --tls-client-user-map= --tls-identity-file= --tls-more-certificates= --tls-ocsp-file= --tls-options= --tls-passphrase= --tls-private-key-file= --tls-server-cert-file= --tls-session-lifetime= --tls-support= --tls-version= --tls-workarounds --trace-bodies --tracefile= --trash-days= --trash-size= --trim-domain --uid-format= --update-on-abort --update-status-headers --user-options --useropt= --uw-kluge --whoson-rules= --whoson-server=" -- "$cur"))
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}
complete -F _popper popper
