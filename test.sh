#!/usr/bin/env bash
# Runs the tests, and sees to what they need: a browser, where tests are named that may open the pages that Kvasir writes in one.
#   ./test.sh                                               what says most in least time; CI runs the others too
#   ./test.sh --filter-class "*SoftmaxSumTest"              arguments go to `dotnet test`, in place of that choice, and hold for all assemblies
set -euo pipefail
cd "$(dirname "$0")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
# Most code runs a few times: profiling it, collecting its garbage often, and mapping a page anew for each method that is compiled is a third of the time.
export DOTNET_TieredPGO=0 DOTNET_GCgen0size=0x4000000 DOTNET_EnableWriteXorExecute=0
# Engines by the hundred take and return their memory: what comes from the system page by page is cleared page by page each time.
export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=268435456
# Analyzers are three quarters of a build. `dotnet build` runs them, also over what was built here without them, and so does CI.
[ -n "${CI:-}" ] || export RunAnalyzersDuringBuild=false
# One compiler compiles all projects, wherever this runs: of twelve, each would first compile itself.
export UseSharedCompilation=true

# The first browser that starts: Ubuntu's chromium-browser, for one, may be a notice that it is to be had elsewhere.
browser() {
    for name in chromium google-chrome google-chrome-stable chromium-browser; do
        if "$name" --version > /dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

if [ -z "${KVASIR_CHROMIUM:-}" ]; then
    if [ $# -gt 0 ] && ! browser > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "installing chromium, which opens the pages that Kvasir writes"
        export DEBIAN_FRONTEND=noninteractive
        install="apt-get install -y -qq --no-install-recommends chromium"
        $install > /dev/null 2>&1 || { apt-get update -qq && $install; } > /dev/null 2>&1 || true
    fi
    if KVASIR_CHROMIUM="$(browser)"; then
        export KVASIR_CHROMIUM
    else
        unset KVASIR_CHROMIUM
        [ $# = 0 ] || echo "no browser could be had here, so pages are not opened in one: install chromium, or name one in KVASIR_CHROMIUM"
    fi
fi

[ $# -gt 0 ] || set -- --filter-not-trait Needs=Seconds Needs=Minutes
# All assemblies run side by side, the third not behind the first that ends. One with nothing to run has not failed; that nothing was found in any has.
# What is named as a file is run as it lies there. Otherwise what tests stand on is restored and built, and nothing else: benchmarks alone are 200 MB of packages.
case " $* " in
    *" --test-modules "*) ;;
    *" --project "*) set -- -c Release "$@" ;;
    *) set -- -c Release --solution test/Kvasir.Test.slnx "$@" ;;
esac
exec dotnet test --max-parallel-test-modules 3 --ignore-exit-code 8 --minimum-expected-tests 1 "$@"
