#!/bin/sh
# Prints the path of a Python that has PyTorch and Transformers, the peers that cotenant is compared with: $COTENANT_PYTHON,
# else python3 if it has them, else build/venv, which is made where it is missing. Messages go to stderr.
set -eu
modules="torch, transformers, safetensors, gguf, numpy"
venv=$(cd "$(dirname "$0")/.." && pwd)/build/venv

has_modules() { "$1" -c "import $modules" >/dev/null 2>&1; }

for python in ${COTENANT_PYTHON:-} python3 "$venv/bin/python"; do
  if has_modules "$python"; then
    command -v "$python"
    exit 0
  fi
done

echo "Installing PyTorch and Transformers into $venv (once; may take minutes) ..." >&2
python3 -m venv "$venv" >&2 || {
  echo "python3 cannot make a virtual environment: apt-get install python3-venv" >&2
  exit 1
}
pip="$venv/bin/pip --quiet --disable-pip-version-check"
# PyPI's build brings gigabytes of CUDA libraries that a comparison on the CPU does not need.
$pip install --retries 1 --timeout 15 --index-url https://download.pytorch.org/whl/cpu torch >&2 || $pip install torch >&2
$pip install transformers safetensors gguf numpy >&2
has_modules "$venv/bin/python" || {
  echo "$venv lacks one of: $modules" >&2
  exit 1
}
echo "$venv/bin/python"
