{
  "targets": [
    {
      "target_name": "cells",
      "sources": ["cells.cc"],
      "cflags_cc": ["-std=c++20", "-O2"],
      "conditions": [
        ["OS=='mac'", { "xcode_settings": { "CLANG_CXX_LANGUAGE_STANDARD": "c++20" } }]
      ]
    }
  ]
}
