# Sourced by the scripts that make images of this machine's own programs: puts them into the directory $root.

# libraries FILE: those that it loads.
libraries() {
  local library
  for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ )]*' || true); do
    case $library in "$root"*) continue ;; esac
    if [ -e "$root$library" ]; then continue; fi
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
}

# program FILE TARGET: with the libraries that it loads.
program() {
  mkdir -p "$root$(dirname "$2")"
  cp -L "$1" "$root$2"
  libraries "$1"
}

# more_libraries NAME…: parts of the C library and of the compiler's that are loaded by name, like `resolv`.
more_libraries() {
  local directory name library
  directory=$(dirname "$(ldd "$(command -v bash)" | grep -o '/[^ )]*libc\.so[^ )]*')")
  for name in "$@"; do
    for library in "$directory/lib$name".so.*; do
      if [ -e "$library" ] && [ ! -e "$root$library" ]; then
        mkdir -p "$root$directory"
        cp -L "$library" "$root$library"
      fi
    done
  done
}
