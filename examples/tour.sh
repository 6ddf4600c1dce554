#!/usr/bin/env bash
# The whole story of a datasource, told with curl: draft, test, publish, deliver,
# change without a restart, roll back, and who may do what.
#
#   make run             # in one terminal
#   examples/tour.sh     # in another
#
# Settings, all optional:
#   STUDIO_URL           the server                     (http://127.0.0.1:8080)
#   STUDIO_DATA_DIR      its data directory             (./data)
#   STUDIO_TOKEN         an admin token of the organisation "default"   (made by the program)
#   STUDIO_VIEWER_TOKEN  a viewer token of the same     (made by the program)
#   STUDIO_BIN           the program datasource-studio  (PATH, else ./target)
#
# It needs curl and openssl, and ends with an error at the first thing that is not as it says.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
url=${STUDIO_URL:-http://127.0.0.1:8080}
url=${url%/}
data=${STUDIO_DATA_DIR:-$here/data}
push=$here/tests/fixtures/github-push.json
secret="tour-$$-${RANDOM}${RANDOM}"

fail() {
    printf '\nNot as it should be: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '  %s\n' "$@" >&2; fi
    exit 1
}

for tool in curl openssl sed awk; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is not installed"
done
curl -fsS -o /dev/null "$url/health/ready" || fail "no server is ready at $url" "start one with: make run"

# ---------------------------------------------------------------- tokens

program() {
    if [ -n "${STUDIO_BIN:-}" ]; then
        printf '%s' "$STUDIO_BIN"
        return
    fi
    local candidate newest=''
    if command -v datasource-studio; then return; fi
    for candidate in "$here"/target/{quick,release,debug}/datasource-studio; do
        if [ -x "$candidate" ] && { [ -z "$newest" ] || [ "$candidate" -nt "$newest" ]; }; then newest=$candidate; fi
    done
    [ -n "$newest" ] || fail "the program datasource-studio was not found" "set STUDIO_BIN, or STUDIO_TOKEN and STUDIO_VIEWER_TOKEN"
    printf '%s' "$newest"
}

token() { # role
    STUDIO_DATA_DIR=$data "$(program)" token --role "$1" --org default --subject "tour-$1" --ttl 1h
}

admin=${STUDIO_TOKEN:-$(token admin)}
viewer=${STUDIO_VIEWER_TOKEN:-$(token viewer)}

# ---------------------------------------------------------------- telling

step_number=0
step() {
    step_number=$((step_number + 1))
    printf '\n\033[1m%d. %s\033[0m\n' "$step_number" "$1"
}

# What is sent ends in an ellipsis where it is long; what comes back is shown in full.
show() { # mark text
    printf '%s\n' "$2" | awk -v mark="$1" '
        { sub(/^[ \t]+/, "") }
        $0 == "" { next }
        mark == ">" && length($0) > 170 { $0 = substr($0, 1, 170) "…" }
        mark == "<" { gsub(/},{/, "},\n       {") }
        { print "   " mark " " $0 }'
}

# ---------------------------------------------------------------- asking

# Text as the inside of a JSON string.
escaped() {
    printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | tr '\n' ' '
}

# graphql TOKEN QUERY VARIABLES: shows both and leaves the answer in $answer.
graphql() {
    show '>' "POST /graphql"
    show '>' "$2"
    if [ "$3" != '{}' ]; then show '>' "$(printf '%s' "$3" | tr -s '\n ' '  ')"; fi
    answer=$(printf '{"query":"%s","variables":%s}' "$(escaped "$2")" "$3" |
        curl -sS "$url/graphql" -H "authorization: Bearer $1" -H 'content-type: application/json' \
            -H 'accept: application/json' --data-binary @-) || fail "the server does not answer"
    show '<' "$answer"
}

# The first value of a field in $answer; enough for the flat answers that this script asks for.
field() { # name
    printf '%s' "$answer" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" | head -n 1
}

expect() { # what, text that the answer must hold
    case $answer in
    *"$2"*) ;;
    *) fail "$1" "expected: $2" "answer:   $answer" ;;
    esac
}

succeed() { # what
    case $answer in
    *'"errors":['*'"extensions"'*) fail "$1" "answer: $answer" ;;
    esac
}

# Workers follow a publish in a moment; wait for the version to run.
wait_for_version() { # number
    local tries=0 body
    body=$(printf '{"query":"query($id: ID!) { datasource(id: $id) { state { workerStatus runningVersion errorMessage } } }","variables":{"id":"%s"}}' "$id")
    while [ $tries -lt 150 ]; do
        answer=$(curl -sS "$url/graphql" -H "authorization: Bearer $viewer" -H 'content-type: application/json' \
            -H 'accept: application/json' --data-binary "$body")
        case $answer in
        *'"workerStatus":"RUNNING","runningVersion":'"$1"',"errorMessage":null'*)
            printf '   = version %s runs\n' "$1"
            return
            ;;
        esac
        tries=$((tries + 1))
        sleep 0.2
    done
    fail "version $1 does not run" "state: $answer"
}

# Posts the push as GitHub does, signed with the secret (or with another one).
post_push() { # secret, expected status
    local signature
    signature=$(openssl dgst -sha256 -hmac "$1" <"$push" | sed 's/^.*= *//')
    show '>' "POST /hooks/$id"
    show '>' "X-GitHub-Event: push"
    show '>' "X-Hub-Signature-256: sha256=$signature"
    show '>' "$(head -c 150 "$push")…"
    answer=$(curl -sS -w '\n%{http_code}' "$url/hooks/$id" -H 'content-type: application/json' \
        -H 'x-github-event: push' -H "x-hub-signature-256: sha256=$signature" --data-binary "@$push")
    local status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    show '<' "HTTP $status"
    show '<' "$answer"
    [ "$status" = "$2" ] || fail "the webhook answered $status instead of $2" "$answer"
}

# Shows the newest record in the sink.
show_record() {
    local file="$data/out/default/$id/records.jsonl"
    [ -f "$file" ] || fail "there is no file $file" "set STUDIO_DATA_DIR to the data directory of the server"
    answer=$(tail -n 1 "$file")
    printf '   $ tail -n 1 %s\n' "$file"
    show '<' "$answer"
}

# The configuration, with the fields of the record as the argument.
config() { # fields
    printf '{
        "connector": { "type": "webhook", "auth": { "type": "github", "secret": { "$secret": "signing" } } },
        "secrets": { "signing": "github_webhook_secret" },
        "mapping": { "outputs": [{ "kind": "push", "id": "$.after", "fields": %s }] },
        "delivery": { "sink": { "type": "jsonl" }, "on_error": "dead_letter" } }' "$1"
}

first=$(config '{ "repository": "$.repository.full_name", "pusher": "$.pusher.name" }')
second=$(config '{ "repo": { "name": "$.repository.full_name", "branch": "$.ref" }, "by": "$.pusher.name", "commits": "$.commits[*].message" }')

# ---------------------------------------------------------------- the story

printf 'A tour of Datasource Studio at %s\n' "$url"

step 'Create a webhook datasource'
graphql "$admin" 'mutation($input: CreateDatasourceInput!) {
    createDatasource(input: $input) { datasource { id name status webhookPath } } }' \
    "{ \"input\": { \"name\": \"tour-$(date +%s)-$$\", \"type\": \"webhook\", \"description\": \"Pushes, as GitHub reports them\", \"tags\": [\"tour\"] } }"
succeed 'the datasource is created'
id=$(field id)
expect 'it begins as a draft' '"status":"DRAFT"'

step 'Set the secret with which GitHub signs; it can never be read back'
graphql "$admin" 'mutation($input: SetDatasourceSecretInput!) {
    setDatasourceSecret(input: $input) { secret { key version } } }' \
    "{ \"input\": { \"id\": \"$id\", \"key\": \"github_webhook_secret\", \"value\": \"$secret\" } }"
succeed 'the secret is set'
case $answer in *"$secret"*) fail 'the answer shows the secret' ;; esac

step 'Draft version 1, with a mapping'
graphql "$admin" 'mutation($input: CreateDatasourceVersionInput!) {
    createDatasourceVersion(input: $input) { version { version state checksum } } }' \
    "{ \"input\": { \"id\": \"$id\", \"comment\": \"who pushed where\", \"config\": $first } }"
expect 'version 1 is a draft' '"version":1,"state":"DRAFT"'

step 'Test it on a real push; nothing is delivered'
graphql "$admin" 'mutation($input: TestDatasourceInput!) {
    testDatasource(input: $input) { run { success outputs { id kind data } errors { path message } warnings } } }' \
    "{ \"input\": { \"id\": \"$id\", \"payload\": $(cat "$push") } }"
expect 'the test succeeds' '"success":true'
expect 'the push is mapped' '"pusher"'

step 'Publish it'
graphql "$admin" 'mutation($input: PublishDatasourceInput!) {
    publishDatasource(input: $input) { datasource { status } version { version state publishedBy } } }' \
    "{ \"input\": { \"id\": \"$id\", \"version\": 1 } }"
expect 'version 1 is published' '"version":1,"state":"PUBLISHED"'
wait_for_version 1

step 'Send the push with the signature of GitHub; one of somebody else is refused'
post_push "$secret" 202
expect 'version 1 took it' '"version":1'
post_push 'not the secret' 401

step 'Find the mapped record in the sink'
show_record
expect 'it has the fields of version 1' '"pusher"'
expect 'it names its version' '"version":1'

step 'Edit the mapping: draft version 2'
graphql "$admin" 'mutation($input: CreateDatasourceVersionInput!) {
    createDatasourceVersion(input: $input) { version { version state checksum } } }' \
    "{ \"input\": { \"id\": \"$id\", \"comment\": \"the branch and the messages too\", \"config\": $second } }"
expect 'version 2 is a draft' '"version":2,"state":"DRAFT"'

step 'Publish it; the server goes on running'
graphql "$admin" 'mutation($input: PublishDatasourceInput!) {
    publishDatasource(input: $input) { version { version state } } }' \
    "{ \"input\": { \"id\": \"$id\", \"version\": 2, \"comment\": \"richer records\" } }"
expect 'version 2 is published' '"version":2,"state":"PUBLISHED"'
wait_for_version 2

step 'Send the push again and see the new shape'
post_push "$secret" 202
show_record
expect 'it has the fields of version 2' '"branch":"refs/heads/main"'
expect 'it names its version' '"version":2'

step 'Roll back'
graphql "$admin" 'mutation($input: RollbackDatasourceInput!) {
    rollbackDatasource(input: $input) { version { version state } } }' \
    "{ \"input\": { \"id\": \"$id\", \"comment\": \"the readers are not ready\" } }"
expect 'version 1 is published again' '"version":1,"state":"PUBLISHED"'
wait_for_version 1
post_push "$secret" 202
show_record
expect 'it has the fields of version 1' '"pusher"'

step 'Read the history, as a viewer'
graphql "$viewer" 'query($id: ID!) {
    datasourceEvents(id: $id, first: 20) { nodes { id eventType version actor } } }' "{ \"id\": \"$id\" }"
for event in CREATED SECRET_SET VERSION_CREATED TEST_RUN PUBLISHED ROLLED_BACK; do
    expect "the history has $event" "\"eventType\":\"$event\""
done

step 'Be refused a publish, as a viewer'
graphql "$viewer" 'mutation($input: PublishDatasourceInput!) {
    publishDatasource(input: $input) { version { version } } }' \
    "{ \"input\": { \"id\": \"$id\", \"version\": 2 } }"
expect 'the viewer is refused' '"code":"FORBIDDEN"'

printf '\nAll of it is as it should be. The datasource stays: %s/hooks/%s\n' "$url" "$id"
