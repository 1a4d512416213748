#!/usr/bin/env bash
# What decode attention takes under every format and policy, for docs/methods.md: tools/methods/speed.sh KVASIR > bench/results/methods/speed.json
#
# One layer of an 8B shape behind 32k random rows, on a machine that does nothing else; one to two minutes.
set -euo pipefail
kvasir=$1
policies=dense
for policy in quest clusterkv had magicpig; do
    policies+=,$policy:dense-layers=none
done
policies+=,psa,guarded,streaming,topk

measure() {
    "$kvasir" bench --synthetic llama3.1-8b:1 --weights q8_0 --depth 32768 --fill random --prefill 0 --decode 12 --repeat 3 --quiet --json "$@"
}

echo '{"made": "tools/methods/speed.sh", "runs": ['
for format in bf16 q8 int8 kivi4 kivi2 quantspec; do
    measure --kv "$format"
    echo ,
done
measure --attention "$policies"
echo ']}'
