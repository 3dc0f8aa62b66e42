# Where a version of the test Asterisk lives and which ports it has. Sourced, never run.
# shellcheck shell=bash disable=SC2034

cache=${DIALER_ASTERISK_DIR:-${XDG_CACHE_HOME:-/var/cache}/dialer-asterisk}
cannot=77 # the exit code of "this machine cannot have a real Asterisk"

say() { echo "asterisk: $*" >&2; }

# asterisk_version 22|16: sets version, suite, base and what follows from them.
# AMI is base+38 (TLS base+39), SIP base+60, the parties base+70 and up; the tests count on it.
asterisk_version() {
  version=$1
  case $version in
  22) suite=sid base=15000 rtp=11000 ;;
  16) suite=bullseye base=15100 rtp=13000 ;;
  *)
    say "there is a 22 and a 16, but no '$version'"
    exit 2
    ;;
  esac
  root=$cache/$version        # the chroot; there only when it is complete
  run=$cache/run-$version     # process ids and logs of what is running
}
