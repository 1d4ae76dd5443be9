        /^test result: / { good += $4; bad += $6; next }
        /^[0-9]+ passed, [0-9]+ failed$/ { good += $1; bad += $3 }
        END { print good + 0, bad + 0 }' "$1")
    passed=$((passed + good))
    failed=$((failed + bad))
}

# step NAME WORD... : runs a command that must end well.
step() {
    local name=$1 log begun=$SECONDS code=0
    shift
    log=$logs/${name//[^a-z]/-}.log
    echo
    echo "== $name: $*"
    "$@" 2>&1 | tee "$log" || code=$?
    times+=("$((SECONDS - begun))"$'\t'"$name")
    count "$log"
    if ((code != 0)); then
        echo "== $name FAILED after $((SECONDS - begun)) s"
        exit 1
    fi
    echo "== $name: $((SECONDS - begun)) s"
}

from_apt() {
    local as=()
    if (($(id -u) != 0)); then as=(sudo -n); fi
    "${as[@]}" apt-get update -qq
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

need() {
    local tool
    for tool in "$@"; do
        if ! command -v "$tool" >/dev/null; then
            echo "this needs \`$tool\`, which is not here"
            return 1
        fi
    done
}

prerequisites() {
    need cargo git python3 node npm
    python3 -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed")'
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || { echo "Node 20 or later is needed"; return 1; }
}

python_clients() {
    local wanted=tests/clients/requirements.txt folder=$tools/python
    if ! cmp -s "$wanted" "$folder/installed.txt"; then
        rm -rf "$folder"
        if ! python3 -m venv "$folder"; then
            from_apt python3-venv
            rm -rf "$folder"
            python3 -m venv "$folder"
        fi
        "$folder/bin/python" -m pip install --quiet --no-input -r "$wanted"
        cp "$wanted" "$folder/installed.txt"
    fi
    "$folder/bin/python" -m pip list --format freeze | grep -E '^(mcp|jsonschema)=='
}

# node_packages TESTS NAME: what the package-lock of tests/TESTS pins, in target/tools/NAME.
node_packages() {
    local wanted=tests/$1/package-lock.json folder=$tools/$2
    if ! cmp -s "$wanted" "$folder/installed.json"; then
        rm -rf "$folder"
        mkdir -p "$folder"
        cp "tests/$1/package.json" "$wanted" "$folder/"
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
        cp "$wanted" "$folder/installed.json"
    fi
    (cd "$folder" && npm ls --depth 0)
}

rest_tools() {
    local wanted=tests/rest/requirements.txt folder=$tools/rest
    if ! cmp -s "$wanted" "$folder/installed.txt"; then
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --no-input -r "$wanted"
        cp "$wanted" "$folder/installed.txt"
    fi
    "$folder/bin/python" -m pip list --format freeze | grep -E '^schemathesis=='
}

browser() {
    command -v chromium >/dev/null || from_apt chromium
    node_packages browser browser
}

database() {
    python3 -B tests/postgres/cluster.py version || { from_apt postgresql && python3 -B tests/postgres/cluster.py version; }
}

# And what makes certificates for it.
pooler() {
    command -v openssl >/dev/null || from_apt openssl
    PATH=$PATH:/usr/sbin command -v pgbouncer || { from_apt pgbouncer && PATH=$PATH:/usr/sbin command -v pgbouncer; }
}

clocks() {
    command -v faketime >/dev/null || from_apt faketime
    faketime --version 2>&1 | head -n 1
}

fault_tools() {
    command -v strace >/dev/null || from_apt strace
    strace --version | head -n 1
}

# A PostgreSQL of the tests' own, thrown away when the command ends.
beside_postgres=(python3 -B tests/postgres/cluster.py with --)

case ${1:-all} in
    all) ;;
    quick)
        step "format" cargo fmt --check
        step "lints" cargo clippy --all-targets --locked -- -D warnings
        step "a database" database
        step "a pooler before it" pooler
        step "tests" "${beside_postgres[@]}" cargo test --locked
        exit 0
        ;;
    *)
        echo "usage: ./test [quick]"
        exit 2
        ;;
esac

step "prerequisites" prerequisites
step "format" cargo fmt --check
step "lints" cargo clippy --all-targets --locked -- -D warnings
step "build" cargo build --locked
step "examples" cargo build --examples --locked
step "dependencies" python3 tests/dependencies.py
step "a database" database
step "a pooler before it" pooler
step "tests" "${beside_postgres[@]}" cargo test --locked
# The same tests, with the workspaces of all that name no store in PostgreSQL. Those that name theirs have run over each.
step "tests over postgresql" env PHASEGATE_TEST_STORE=postgres "${beside_postgres[@]}" cargo test --locked --test it -- \
    --skip ::sqlite:: --skip ::one_connection:: --skip ::postgres:: --skip ::postgres_for_one:: --skip tidy:: --skip shell_differential::
if [[ -e tests/faults/run.py ]]; then
    step "tools for the fault tests" fault_tools
    step "fault tests" python3 tests/faults/run.py
fi
step "clocks that are wrong" clocks
step "three servers" python3 -B tests/postgres/servers.py
export PHASEGATE_BINARY=$target/debug/phasegate
step "clients in python" python_clients
