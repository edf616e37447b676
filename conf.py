"""_config.yml as Jupyter Book reads it, for `make serve`, which is Sphinx."""
from pathlib import Path

from jupyter_book.config import get_final_config

here = Path(__file__).parent
globals().update(get_final_config(
    user_yaml=here / '_config.yml', sourcedir=here,
    cli_config={'latex_individualpages': False})[0])
