#!/usr/bin/env bash
# What every method loses on the bundled model at 50, 25, 10 and 5 % of the cache's bytes: docs/methods.md is made of what this writes.
#
#   tools/methods/quality.sh KVASIR FOLDER [SAMPLES] [CONTEXTS] [RUN...]
#
# KVASIR is the built tool, FOLDER takes a state for each way to store rows, from which an interrupted run goes on, and quality-*.json beside it; it also
# takes what policies that are calibrated found on prompts like the tasks' own. RUN names those to be measured, all by default.
# Ten samples of 4096 tokens take about half an hour on two cores. Further flags for `kvasir eval` go into KVASIR_EVAL.
set -euo pipefail
kvasir=$1 folder=$2 samples=${3:-10} contexts=${4:-4096,16k}
shift $(($# < 4 ? $# : 4))
wanted=" $* "
here=$(dirname "$0")
mkdir -p "$folder"

# Every head and layer by the rule itself: dense layers would make shares of bytes mean something else for each policy.
policies=dense,dbudgetkv,kvmerger,kvmerger:similarity=0.5
for share in 0.5 0.25 0.1 0.05; do
    half=$(awk "BEGIN { print $share / 2 }")
    for policy in snapkv pyramidkv adakv prefixkv; do
        policies+=,$policy:share=$share
    done
    policies+=,h2o:heavy=$half,newest=$half
    policies+=,alisa:ratio=$share
    policies+=,topk:share=$share
    for policy in quest clusterkv had; do
        policies+=,$policy:share=$share,dense-layers=none
    done
    policies+=,psa:most=$share
done
for recent in 2048 1024 410 205; do
    policies+=,streaming:recent=$recent
done
policies+=,think:ratio=0.5,think:ratio=0.75
policies+=,guarded,guarded:epsilon=0.6,magicpig:dense-layers=none,magicpig:bits=12,tables=110,dense-layers=none

is_wanted() {
    [[ $wanted = "  " || $wanted == *" $1 "* ]]
}

measure() {
    local name=$1 chosen=$2 model=${model:-needle}
    shift 2
    is_wanted "$name" || return 0
    # shellcheck disable=SC2086
    "$kvasir" eval needle "$model" --context "$contexts" --samples "$samples" --attention "$chosen" --protocol a,b --min-context 0 --quiet \
        --state "$folder/$name.state.jsonl" --json "$folder/quality-$name.json" ${KVASIR_EVAL:-} "$@"
}

measure bf16 "$policies"
for format in q8 int8 kivi4 kivi2 quantspec; do
    measure "$format" dense --kv "$format"
done
measure kivi4-dropped dense,snapkv:share=0.5,snapkv:share=0.25,think:ratio=0.5 --kv kivi4
measure rank dense --kv-rank 32

if is_wanted calibrated; then
    "$here/texts.py" 10 4000 > "$folder/prompts.jsonl"
    "$here/texts.py" 5 1000 2 | sed 's/^{"prompt": "//; s/"}$//' > "$folder/text.txt"
    "$kvasir" calibrate needle --for xkv --prompts "$folder/prompts.jsonl" --output "$folder/budgets.json" --quiet
    "$kvasir" calibrate needle --for loki --text "$folder/text.txt" --output "$folder/axes.safetensors" --quiet
    policies=dense
    for share in 0.5 0.25 0.1 0.05; do
        policies+=,xkv:file=$folder/budgets.json,share=$share,loki:file=$folder/axes.safetensors,share=$share
    done
    measure calibrated "$policies"
fi

# HAD as its paper has it: over matrices of queries and keys that were taught to be signs (tools/train-needle/distil.py).
policies=dense
for share in 0.5 0.25 0.1 0.05; do
    policies+=,had:share=$share,dense-layers=none
done
model=${here%tools/methods}assets/needle-had measure distilled "$policies"
