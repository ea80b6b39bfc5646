# completion_test.bash FILE: completes some command lines with the functions of FILE.
source "$1" || exit 1
failures=0

# expect WANTED WORD...: completing the last word offers WANTED, sorted, joined by blanks.
expect() {
  local wanted=$1
  shift
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _popper
  local offered
  offered=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' ')
  if [[ $offered != "$wanted" ]]; then
    echo "$*: offered '$offered', not '$wanted'" >&2
    failures=$((failures + 1))
  fi
}

expect "--timeout=" popper --time
expect "--temp-dir= --temp-name=" popper --temp
expect "--server-mode" popper -S --serv
expect "native qpopper" popper --uid-format = ""
expect "native qpopper" popper --uid-format =
expect "qpopper" popper --uid-format = q
expect "native qpopper" popper --uid-format ""
expect "local0 local1 local2 local3 local4 local5 local6 local7" popper -y local
expect "always default local never ssl tls" popper --clear-text-password = ""
expect "credentials pam shadow" popper --auth-source = ""
expect "false true" popper --shy = ""
expect "" popper --shy ""
expect "--statistics" popper --statist
expect "--mail-command-size=" popper --mail-command-s
expect "" popper --no-such-option
expect "$1" popper -f "${1%.bash}"
expect "$1" popper --config = "${1%.bash}"
exit $((failures > 0))
