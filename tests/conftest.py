"""What every test finds: Ctrl-C as in a terminal, even where a job in the background ignores it;
and without a GPU Triton's interpreter, which is chosen before anything imports Triton."""

from __future__ import annotations

import os
import shutil
import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if shutil.which("nvidia-smi") is None:
    os.environ["TRITON_INTERPRET"] = "1"
