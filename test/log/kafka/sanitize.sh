#!/bin/sh
# Builds what packs and unpacks record batches with the sanitizer of undefined behaviour, and feeds it what must not trip it:
# whole batches, and batches whose fields say the most that they can. Ends with 0 when nothing was found.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
native="$here/../../../engine/log/kafka/native"
librdkafka="$here/../../../node_modules/node-rdkafka/deps/librdkafka/src"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-fsanitize=undefined -fno-sanitize-recover=undefined -g -O1 -I$native"
gcc -I"$librdkafka" -c "$native/lz4-library.c" -O1 -o "$out/lz4.o"
g++ -std=c++20 $flags -I"$librdkafka" "$here/sanitize.cc" "$native/unpack.cc" "$native/pack.cc" \
  "$native/blocks.cc" "$out/lz4.o" -o "$out/sanitize"
"$out/sanitize"
