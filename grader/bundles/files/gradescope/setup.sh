#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the autograder's image. It needs the network.
#
# The grader goes into an environment of its own that every user can read: a submission's code runs as a user that
# nobody else is, who has to read Python and NumPy and can write nowhere. That user needs no account.
set -euo pipefail

source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$source_folder/settings.sh"
environment=${GRADER_ENVIRONMENT:-/opt/mytorch-grader}

is_new_enough() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  local name
  for name in ${GRADER_PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if is_new_enough "$name"; then
      echo "$name"
      return
    fi
  done
  return 1
}

install_python() {
  local version
  apt-get update -qq
  for version in 3.13 3.12 3.11; do
    if DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "python$version" "python$version-venv"; then
      return
    fi
  done
}

if ! python=$(find_python); then
  install_python >&2
  if ! python=$(find_python); then
    echo "setup.sh: the grader needs Python 3.11 or newer; choose a base image that has it" >&2
    exit 1
  fi
fi

umask 022
wheel=$(echo "$source_folder"/mytorch_grader-*.whl)
if [ "$WITH_EXPERIMENTS" = yes ]; then
  wheel="$wheel[experiments]"
fi
"$python" -m venv "$environment"
"$environment/bin/pip" install --quiet "$wheel"

# From this secret the inputs of all checks are drawn: kept in the image, each submission gets the same ones again.
mkdir -p "$environment/configuration"
XDG_CONFIG_HOME="$environment/configuration" "$environment/bin/python" -c \
  'from grader.settings import installation_secret; installation_secret()'
XDG_CONFIG_HOME="$environment/configuration" "$environment/bin/grader" doctor
