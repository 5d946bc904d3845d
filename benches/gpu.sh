#!/usr/bin/env bash
# Checks and measures everything on a machine with a real GPU, in under eight minutes and without Rust: lists the
# devices, verifies the kernels against the reference, runs the benchmark with both kernel sets, trains MNIST to 99 % with
# ten seeds, trains populations of up to 256 models, and compares with PyTorch on CUDA if the machine's python3 has it.
#
#     benches/gpu.sh [--binary FILE] [--backend NAME] [--quick] [FOLDER]
#
# Defaults: the binary is target/release/lenet-gpu, the backend is vulkan, and the results go to $OUT or else to
# gpu-results. --quick runs a short version of every stage, for software adapters. If a stage fails, the report says
# so and the other stages still run; the exit code is then 1.
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
        -*) echo "error: unknown option $1; see the comment at the top of $0" >&2 && exit 2 ;;
        *) folder=$1 && shift ;;
    esac
done
if [[ ! -x $binary ]]; then
    echo "error: cannot run $binary; build it with cargo build --release, or set --binary" >&2
    exit 2
fi

if $quick; then
    verify=(--only max_pool)
    bench=(--batch-size '1,64' --seconds 0.5 --repeats 5 --images 1024)
    seeds=2
    accuracy_target=80
    run=(--limit-train 2000 --limit-test 500)
    race=(--rounds 1 --seconds 0.5)
    population=(--population '1,4' --batch-size 64 --seconds 0.5 --repeats 5 --images 1024)
    population_race=(--population '1,4' --seconds 0.2)
    time_limit=3600
else
    verify=()
    bench=(--batch-size '1,64,256,1024' --seconds 2)
    seeds=10
    accuracy_target=99
    run=()
    race=(--rounds 3 --seconds 1)
    population=(--population '1,4,16,64,256' --batch-size 64 --seconds 1 --repeats 5)
    population_race=(--population '1,4,16,64,256' --seconds 0.5)
    time_limit=460 # seconds in total
fi

mkdir -p "$folder" || exit 1
folder=$(cd "$folder" && pwd)
report=$folder/report.md   # the targets and the results
details=$folder/details.md # the devices, and the tables of the benchmarks and of the race
log=$folder/log.txt        # all output
runs=$folder/runs.jsonl    # one object per epoch of each run
for file in "$report" "$details" "$log" "$runs"; do : >"$file" || exit 1; done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=()

say() { printf '%s\n' "$*" | tee -a "$report"; }

# stage NAME SECONDS COMMAND...: runs a command with a time limit and reports a failure. Its output is then in
# $scratch/stdout and $scratch/stderr.
stage() {
    local name=$1 seconds=$2 status
    shift 2
    ((seconds > time_limit - SECONDS)) && seconds=$((time_limit - SECONDS))
    echo "== $name" | tee -a "$log" >&2
    if ((seconds > 0)); then
        timeout --kill-after=5 "$seconds" "$@" >"$scratch/stdout" 2>"$scratch/stderr"
        status=$?
        ((status == 124)) && echo "error: stopped after $seconds s" >>"$scratch/stderr"
        cat "$scratch/stderr" "$scratch/stdout" >>"$log"
    else
        status=124
        echo "error: no time left" >"$scratch/stderr"
    fi
    ((status == 0)) && return 0
    failed+=("$name")
    say "**$name failed** (exit code $status): $(grep '^error' "$scratch/stderr" || tail -n 1 "$scratch/stderr")"
    say ""
    return 1
}

# rate FILE TASK BATCH [NTH]: prints the images/s of a bench file, or of the NTH program in a race file. Prints nothing
# if the file has no such figure.
rate() {
    [[ -f $1 ]] || return 0
    awk -F'[:,]' -v task="\"$2\"" -v batch="$3" -v nth="${4:-}" '
        /^    "name"/ { program++ }
        /"task":/ { this = $2 }
        /"batch":/ { size = $2 + 0 }
        /"images_per_second":/ {
            if (index(this, task) && size == batch && (nth == "" || program == nth)) { print $2 + 0; exit }
        }' "$1"
}

# field NAME: prints the number in this field of each line of JSON on stdin.
field() { sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p"; }

mean() { awk '{ sum += $1 } END { if (NR) printf "%.4f", sum / NR }'; }
maximum() { sort -g | tail -n 1 | grep . || echo '?'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a != "" && b != "" && b > 0) printf "%.2f", a / b }'; }

# target WHAT at-least|at-most BOUND MEASURED [UNIT]: prints a row of the table.
target() {
    local met=unknown
    if [[ -n $4 ]]; then
        met=$(awk -v how="$2" -v bound="$3" -v measured="$4" \
            'BEGIN { print (how == "at-least" ? measured >= bound : measured <= bound) ? "yes" : "**no**" }')
    fi
    say "| $1 | ${2/-/ } $3${5:-} | ${4:-not measured}${4:+${5:-}} | $met |"
}

say "# lenet-gpu on a GPU, $(date -u +%Y-%m-%d)"
say ""
say "$("$binary" --version), --backend $backend$($quick && echo ', --quick: the figures are not reliable')"
say ""

if stage "devices" 20 "$binary" devices; then
    { echo '```text' && cat "$scratch/stdout" && echo '```'; } >>"$details"
fi
verified="**no**"
if stage "verify" 100 "$binary" verify --backend "$backend" "${verify[@]}"; then
    verified=yes
    say "$(sed -nE 's/^(verifying|checking) //p' "$scratch/stderr"): $(tail -n 1 "$scratch/stdout")."
    say ""
fi

for kernels in layered fused; do
    json=$folder/$kernels.json
    if stage "bench --kernels $kernels" 80 "$binary" bench --backend "$backend" --kernels "$kernels" \
        "${bench[@]}" --output "$json"; then
        { echo && echo "# $kernels kernels" && echo && cat "$scratch/stdout"; } >>"$details"
    fi
done

# Full runs measure the accuracy, and runs that stop at the target accuracy measure the time. The first run starts with
# empty caches.
mnist=(train --backend "$backend" --preset mnist-fast --json "${run[@]}")
empty_caches=(env LENET_GPU_CACHE="$scratch/cache" MESA_SHADER_CACHE_DIR="$scratch/cache"
    __GL_SHADER_DISK_CACHE_PATH="$scratch/cache")

# timed_run NAME COMMAND...: runs a training. Its last epoch is then in $scratch/last, and its wall-clock time in seconds
# in $wall.
timed_run() {
    local name=$1 from=$EPOCHREALTIME
    shift
    stage "$name" 60 "$@" --run-dir "$scratch/$name" || return 1
    wall=$(awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.3f", to - from }')
    tee -a "$runs" <"$scratch/stdout" | tail -n 1 >"$scratch/last"
}

cold=
mkdir "$scratch/cache"
timed_run "first run, caches empty" "${empty_caches[@]}" "$binary" "${mnist[@]}" --target-accuracy "$accuracy_target" && cold=$wall
touch "$scratch/full" "$scratch/reached" "$scratch/walls"
for ((seed = 0; seed < seeds; seed++)); do
    timed_run "mnist-fast, seed $seed" "$binary" "${mnist[@]}" --seed "$seed" || break
    cat "$scratch/last" >>"$scratch/full"
    timed_run "mnist-fast to $accuracy_target %, seed $seed" "$binary" "${mnist[@]}" --seed "$seed" --target-accuracy "$accuracy_target" || break
    grep -q '"reached":true' "$scratch/last" || continue
    cat "$scratch/last" >>"$scratch/reached"
    echo "$wall" >>"$scratch/walls"
done
finished=$(wc -l <"$scratch/full")
reached=$(wc -l <"$scratch/reached")

# section HEADING: prints a section of the Markdown on stdin.
section() { awk -v heading="## $1" '/^## / { inside = $0 == heading } inside'; }

if stage "bench --population" 60 "$binary" bench --backend "$backend" "${population[@]}" \
    --output "$folder/population.json"; then
    { echo && section 'Several models at the same time' <"$scratch/stdout"; } >>"$details"
fi

race_file=$folder/race.json
if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>>"$log"; then
    if stage "race against PyTorch" 180 python3 "$root/benches/peers/race" cuda --ours "$binary" \
        --backend "$backend" --train 64,1024 --infer 1024 "${race[@]}" --json "$race_file"; then
        { echo && echo "# Against PyTorch, f32 without TF32" && echo && cat "$scratch/stdout"; } >>"$details"
    fi
    if stage "populations with PyTorch" 120 python3 "$root/benches/peers/population.py" --device cuda \
        "${population_race[@]}" --json "$folder/population-pytorch.json"; then
        { echo && echo "# Several models with PyTorch" && echo && cat "$scratch/stdout"; } >>"$details"
    fi
else
    say "Skipped the race against PyTorch: this machine's python3 has no PyTorch with a CUDA GPU."
    say ""
fi

best=$folder/fused.json
[[ -f $best ]] || best=$folder/layered.json
accuracy=$(field test_accuracy <"$scratch/full" | awk '{ print 100 * $1 }' | mean)
step=$(ratio 64000000 "$(rate "$best" train 64)")
large_batch_gain=$(ratio "$(rate "$best" train 1024)" "$(rate "$best" train 64)")
# models FILE POPULATION [NTH]: prints the models/s of a bench file, or of the NTH program in a file of population.py.
models() {
    [[ -f $1 ]] || return 0
    awk -F'[:,]' -v size="$2" -v nth="${3:-}" '
        /^    "name"/ { program++ }
        /"population":/ { this = $2 + 0 }
        /"models_per_second":/ { if (this == size && (nth == "" || program == nth)) { print $2 + 0; exit } }' "$1"
}
models_16=$(models "$folder/population.json" 16)
# speedup NTH BATCH: training throughput relative to the NTH program of the race.
speedup() { ratio "$(rate "$race_file" train "$2" 1)" "$(rate "$race_file" train "$2" "$1")"; }

say "## Targets"
say ""
say "| what | target | measured | met |"
say "|---|---|---|---|"
say "| every kernel agrees with the reference | yes | | $verified |"
target "training at batch size 64, relative to PyTorch eager" at-least 10 "$(speedup 2 64)" "×"
target "training at batch size 64, relative to PyTorch with CUDA graphs" at-least 2 "$(speedup 3 64)" "×"
target "training at batch size 1024, relative to PyTorch eager" at-least 2 "$(speedup 2 1024)" "×"
target "training step at batch size 64, $(basename "$best" .json) kernels" at-most 50 "$step" " µs"
target "training at batch size 1024, relative to batch size 64" at-least 1 "$large_batch_gain" "×"
target "mnist-fast, mean test accuracy over $finished seeds" at-least "$accuracy_target" "$accuracy" " %"
target "training to $accuracy_target %, mean over the $reached seeds that reach it" at-most 0.15 \
    "$(field training_seconds <"$scratch/reached" | mean)" " s"
target "the same, from start to end of the process" at-most 1.5 "$(mean <"$scratch/walls")" " s"
if [[ -n $models_16 ]]; then
    say "| models/s in a population of 16, relative to one at a time | | $(ratio "$models_16" "$(models "$folder/population.json" 1)")× | |"
    say "| models/s in a population of 16 | | $(printf '%.3g' "$models_16") | |"
fi
torch_vmap=$(models "$folder/population-pytorch.json" 16 3)
if [[ -n $models_16 && -n $torch_vmap ]]; then
    say "| the same, relative to PyTorch with vmap | | $(ratio "$models_16" "$torch_vmap")× | |"
fi
say ""
say "The slowest of these took $(maximum <"$scratch/walls") s from start to end; the run with empty caches took ${cold:-?} s."
if ((${#failed[@]})); then
    say ""
    say "Failed: $(printf '%s; ' "${failed[@]}")see $(basename "$log")."
    exit 1
fi
