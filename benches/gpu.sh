#!/usr/bin/env bash
# All that has to be shown on a machine with a real GPU, in one call of under eight minutes and without Rust:
# the devices, the kernels held against the reference, the bench with both sets of kernels, MNIST to 99 % over ten
# seeds, and the race against PyTorch on CUDA where the machine's python3 has it.
#
#     benches/gpu.sh [--binary FILE] [--backend NAME] [--quick] [FOLDER]
#
# The binary is target/release/lenet-gpu where none is named, the backend vulkan, the folder $OUT or else
# gpu-results. --quick does a little of everything, for a software adapter. A part that fails is told of, and the
# others go on; the exit code is 1 where any did.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$root/target/release/lenet-gpu
backend=vulkan
quick=false
folder=${OUT:-gpu-results}
while (($#)); do
    case $1 in
        --binary) binary=${2:?--binary needs a file} && shift 2 ;;
        --backend) backend=${2:?--backend needs a name} && shift 2 ;;
        --quick) quick=true && shift ;;
        -*) echo "error: $1 is no option; the top of $0 tells which there are" >&2 && exit 2 ;;
        *) folder=$1 && shift ;;
    esac
done
if [[ ! -x $binary ]]; then
    echo "error: $binary is not there; build it by cargo build --release, or name it by --binary" >&2
    exit 2
fi

if $quick; then
    verify=(--only max_pool)
    bench=(--batch '1,64' --seconds 0.5 --repeats 5 --images 1024)
    seeds=2
    target=80
    run=(--limit-train 2000 --limit-test 500)
    race=(--rounds 1 --seconds 0.5)
    allowed=3600
else
    verify=()
    bench=(--batch '1,64,256,1024' --seconds 2)
    seeds=10
    target=99
    run=()
    race=(--rounds 3 --seconds 1)
    allowed=460 # seconds in all
fi

mkdir -p "$folder" || exit 1
folder=$(cd "$folder" && pwd)
report=$folder/report.md   # what was asked and found
details=$folder/details.md # the devices, the benches' tables, the race's
log=$folder/log.txt        # all that was printed
runs=$folder/runs.jsonl    # an object for each epoch of each run
for file in "$report" "$details" "$log" "$runs"; do : >"$file" || exit 1; done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=()

say() { printf '%s\n' "$*" | tee -a "$report"; }

# part NAME SECONDS COMMAND...: runs a command for so long at most, and tells where it failed. What it printed is
# in $scratch/printed then.
part() {
    local name=$1 seconds=$2 status
    shift 2
    ((seconds > allowed - SECONDS)) && seconds=$((allowed - SECONDS))
    echo "== $name" | tee -a "$log" >&2
    if ((seconds > 0)); then
        timeout --kill-after=5 "$seconds" "$@" >"$scratch/printed" 2>"$scratch/told"
        status=$?
        ((status == 124)) && echo "error: it was ended after $seconds s" >>"$scratch/told"
        cat "$scratch/told" "$scratch/printed" >>"$log"
    else
        status=124
        echo "error: no time was left for it" >"$scratch/told"
    fi
    ((status == 0)) && return 0
    failed+=("$name")
    say "**$name failed** (exit code $status): $(grep '^error' "$scratch/told" || tail -n 1 "$scratch/told")"
    say ""
    return 1
}

# rate FILE TASK BATCH [NTH]: images/s in a bench's file, or of the NTH contender in a race's; nothing where the
# file has none.
rate() {
    [[ -f $1 ]] || return 0
    awk -F'[:,]' -v task="\"$2\"" -v batch="$3" -v nth="${4:-}" '
        /^    "name"/ { contender++ }
        /"task":/ { this = $2 }
        /"batch":/ { size = $2 + 0 }
        /"images_per_second":/ {
            if (index(this, task) && size == batch && (nth == "" || contender == nth)) { print $2 + 0; exit }
        }' "$1"
}

# field NAME: its number in each line of JSON that comes in.
field() { sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p"; }

mean() { awk '{ sum += $1 } END { if (NR) printf "%.4f", sum / NR }'; }
most() { sort -g | tail -n 1 | grep . || echo '?'; }
over() { awk -v a="$1" -v b="$2" 'BEGIN { if (a != "" && b != "" && b > 0) printf "%.2f", a / b }'; }

# asked WHAT at-least|at-most BOUND FOUND [UNIT]: a row of the table.
asked() {
    local holds=unknown
    if [[ -n $4 ]]; then
        holds=$(awk -v how="$2" -v bound="$3" -v found="$4" \
            'BEGIN { print (how == "at-least" ? found >= bound : found <= bound) ? "yes" : "**no**" }')
    fi
    say "| $1 | ${2/-/ } $3${5:-} | ${4:-not measured}${4:+${5:-}} | $holds |"
}

say "# lenet-gpu on a GPU, $(date -u +%Y-%m-%d)"
say ""
say "$("$binary" --version), --backend $backend$($quick && echo ', --quick: too little for figures that hold')"
say ""

if part "devices" 20 "$binary" devices; then
    { echo '```text' && cat "$scratch/printed" && echo '```'; } >>"$details"
fi
verified="**no**"
if part "verify" 100 "$binary" verify --backend "$backend" "${verify[@]}"; then
    verified=yes
    say "$(sed -n 's/^verifying //p' "$scratch/told"): $(tail -n 1 "$scratch/printed")."
    say ""
fi

for kernels in layered fused; do
    json=$folder/$kernels.json
    if part "bench --kernels $kernels" 80 "$binary" bench --backend "$backend" --kernels "$kernels" \
        "${bench[@]}" --json "$json"; then
        { echo && echo "# $kernels kernels" && echo && cat "$scratch/printed"; } >>"$details"
    fi
done

# Whole runs for the accuracy, and such as end at the target for the time. The first of these has no cache to start from.
mnist=(train --backend "$backend" --preset mnist-fast --json "${run[@]}")
empty=(env LENET_GPU_CACHE="$scratch/cache" MESA_SHADER_CACHE_DIR="$scratch/cache"
    __GL_SHADER_DISK_CACHE_PATH="$scratch/cache")

# timed_run NAME COMMAND...: a run, whose last epoch is then in $scratch/last, and its seconds from start to end in
# $wall.
timed_run() {
    local name=$1 from=$EPOCHREALTIME
    shift
    part "$name" 60 "$@" --run-dir "$scratch/$name" || return 1
    wall=$(awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.3f", to - from }')
    tee -a "$runs" <"$scratch/printed" | tail -n 1 >"$scratch/last"
}

cold=
mkdir "$scratch/cache"
timed_run "first run, caches empty" "${empty[@]}" "$binary" "${mnist[@]}" --target-accuracy "$target" && cold=$wall
touch "$scratch/full" "$scratch/reached" "$scratch/walls"
for ((seed = 0; seed < seeds; seed++)); do
    timed_run "mnist-fast, seed $seed" "$binary" "${mnist[@]}" --seed "$seed" || break
    cat "$scratch/last" >>"$scratch/full"
    timed_run "mnist-fast to $target %, seed $seed" "$binary" "${mnist[@]}" --seed "$seed" --target-accuracy "$target" || break
    grep -q '"reached":true' "$scratch/last" || continue
    cat "$scratch/last" >>"$scratch/reached"
    echo "$wall" >>"$scratch/walls"
done
done_seeds=$(wc -l <"$scratch/full")
reached=$(wc -l <"$scratch/reached")

raced=$folder/race.json
if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>>"$log"; then
    if part "race against PyTorch" 180 python3 "$root/benches/peers/race" cuda --ours "$binary" \
        --backend "$backend" --train 64,1024 --infer 1024 "${race[@]}" --json "$raced"; then
        { echo && echo "# Against PyTorch, f32 without TF32" && echo && cat "$scratch/printed"; } >>"$details"
    fi
else
    say "The race against PyTorch was left out: this machine's python3 has no PyTorch that finds a CUDA GPU."
    say ""
fi

best=$folder/fused.json
[[ -f $best ]] || best=$folder/layered.json
accuracy=$(field test_accuracy <"$scratch/full" | awk '{ print 100 * $1 }' | mean)
step=$(over 64000000 "$(rate "$best" train 64)")
larger=$(over "$(rate "$best" train 1024)" "$(rate "$best" train 64)")
# peer NTH BATCH: ours over the NTH contender's.
peer() { over "$(rate "$raced" train "$2" 1)" "$(rate "$raced" train "$2" "$1")"; }

say "## What was asked"
say ""
say "| what | asked | found | holds |"
say "|---|---|---|---|"
say "| every kernel against the reference | agrees | | $verified |"
asked "training at batch 64 over PyTorch eager" at-least 10 "$(peer 2 64)" "×"
asked "training at batch 64 over PyTorch with CUDA graphs" at-least 2 "$(peer 3 64)" "×"
asked "training at batch 1024 over PyTorch eager" at-least 2 "$(peer 2 1024)" "×"
asked "a training step at batch 64, $(basename "$best" .json) kernels" at-most 50 "$step" " µs"
asked "training at batch 1024 over batch 64" at-least 1 "$larger" "×"
asked "mnist-fast, mean test accuracy of $done_seeds seeds" at-least "$target" "$accuracy" " %"
asked "training to $target %, mean of the $reached seeds that reach it" at-most 0.15 \
    "$(field training_seconds <"$scratch/reached" | mean)" " s"
asked "the same from process start to its end" at-most 1.5 "$(mean <"$scratch/walls")" " s"
say ""
say "The slowest of these took $(most <"$scratch/walls") s from start to end, and one with empty caches ${cold:-?} s."
if ((${#failed[@]})); then
    say ""
    say "Failed: $(printf '%s; ' "${failed[@]}")see $(basename "$log")."
    exit 1
fi
