# Sourced by the programs beside it, which set `root`: finds a Python, has it make .venv, and hands over to that.
# shellcheck shell=bash

: "${root:?set by the program that sources this: the checkout}"
unset PYTHONHOME PYTHONPATH # meant for some other Python

complaint= # what a Python that is new enough lacks

# Whether $1 is a Python that is new enough and can make virtual environments.
can_make_venv() {
  command -v -- "$1" >/dev/null 2>&1 || return 1
  "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || return 1
  "$1" -I -c 'import ensurepip, fcntl, venv' >/dev/null 2>&1 && return 0
  complaint="$1 is new enough but comes without venv. Debian and Ubuntu: apt-get install python3-venv"
  return 1
}

# Replaces this process by .venv/bin/python with the arguments given; makes .venv first if need be.
run_in_venv() {
  local candidate own="$root/.venv/bin/python" setup="$root/embedded/virtualenv.py"
  if [[ -x $own ]] && "$own" -I -S "$setup" --is-ready 2>/dev/null; then
    exec "$own" "$@"
  fi
  for candidate in ${PYTHON:+"$PYTHON"} python3.14 python3.13 python3.12 python3.11 python3 python; do
    if can_make_venv "$candidate"; then
      exec "$candidate" -I "$setup" "$@"
    fi
  done
  {
    echo "Python 3.11 or newer with its module venv is needed; none was found on the PATH."
    echo "${complaint:-Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python}"
    echo "One that lies elsewhere: PYTHON=/path/to/python3 $0"
  } >&2
  exit 1
}
