{
  "variables": {
    # Where node-rdkafka lies; its headers say what its objects look like.
    "rdkafka": "<!(node -p \"require('path').dirname(require.resolve('node-rdkafka/package.json'))\")"
  },
  "targets": [
    {
      "target_name": "packed",
      "sources": [
        "packed.cc",
        "library.cc",
        "bridge.cc",
        "poll.cc",
        "deliveries.cc",
        "questions.cc",
        "batches.cc",
        "unpack.cc",
        "pack.cc",
        "blocks.cc",
        "lz4-library.c"
      ],
      "include_dirs": [
        "<!(node -p \"require('path').dirname(require.resolve('nan/package.json', { paths: [require.resolve('node-rdkafka/package.json')] }))\")",
        "<(rdkafka)",
        "<(rdkafka)/deps/librdkafka/src",
        "<(rdkafka)/deps/librdkafka/src-cpp"
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-O2", "-Wno-cast-function-type", "-Wno-unused-parameter"],
      "libraries": ["-ldl"],
      "conditions": [
        ["OS=='mac'", {
          "xcode_settings": {
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20"
          }
        }]
      ]
    }
  ]
}
