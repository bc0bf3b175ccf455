"""How long the extension takes to load, beside `import pandas`: fresh processes, alternating, medians of 11.

Run by ``make bench``. Aims: ``import immune_nb`` under a fifth, ``%load_ext immune_nb`` under a third.
"""

import statistics
import subprocess
import sys

RUNS = 11
TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
SHELL = "from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance(); "
CASES = {
    "import pandas": (TIMED.format("import pandas"), 1),
    "import immune_nb": (TIMED.format("import immune_nb"), 1 / 5),
    "%load_ext immune_nb": (SHELL + TIMED.format("s.run_line_magic('load_ext', 'immune_nb')"), 1 / 3),
}


def seconds(program: str) -> float:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    for program, _ in CASES.values():
        seconds(program)  # warm the disk
    runs = [{name: seconds(program) for name, (program, _) in CASES.items()} for _ in range(RUNS)]
    medians = {name: statistics.median(run[name] for run in runs) for name in CASES}
    base = medians["import pandas"]
    print(f"{'what':<22}{'median ms':>10}{'of pandas':>11}{'aim':>7}")
    for name, (_, aim) in CASES.items():
        print(f"{name:<22}{medians[name] * 1000:>10.1f}{medians[name] / base:>11.2f}{aim:>7.2f}")


if __name__ == "__main__":
    main()
