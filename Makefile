# Every target makes .venv hold what it needs, once.
# PYTHON=/path/to/python3.13 chooses the Python that .venv is made with.
export PYTHON
BIN := .venv/bin

.PHONY: help book book-next serve test zip pdf links refresh new lab hooks full \
	results bench screenshot colab-test clean

help:
	@echo 'make book                 build the book and say where to open it'
	@echo 'make serve                the same in the browser, and again after every change'
	@echo 'make test                 run all tests, every notebook included'
	@echo 'make test CHAPTER=7-3     check one chapter: its rules, its cells, its page'
	@echo 'make zip                  the book as a folder to read without a network'
	@echo 'make pdf                  the book as one PDF'
	@echo 'make links                ask every page that the book links to'
	@echo 'make refresh CHAPTER=7-2  run a chapter again and store its outputs'
	@echo 'make new CHAPTER=8-7 TITLE="DenseNet"  begin a chapter'
	@echo 'make lab                  open the chapters in JupyterLab'
	@echo 'make hooks                check what is committed, from now on'
	@echo 'make full CHAPTER=7-6     run a chapter again with its full training runs'
	@echo '     ... RUN=resnext      only the runs of one of its networks'
	@echo '     ... PROCESSES=2      by so many processes, one on each GPU'
	@echo 'make results              tell elsewhere what the new runs reach'
	@echo 'make bench                speed against d2l, in one run'
	@echo 'make colab-test           run the chapters as Colab does'
	@echo 'make screenshot           take the pictures in the README'
	@echo 'make book-next            build the book with the newest releases'
	@echo 'make clean                delete the built book'

# Neither a target nor a file.
.DEFAULT:
	@echo "There is no 'make $@': 'make help' lists what there is, and" \
		"CHAPTER is one of" $(patsubst chapters/%.ipynb,%,\
		$(wildcard chapters/*.ipynb)) >&2; exit 2

.venv/book-ready: requirements/book.txt requirements/uv.txt
	@tools/setup.sh book
	@touch $@

.venv/all-ready: requirements.txt requirements/book.txt \
		requirements/no-deps.txt requirements/uv.txt pyproject.toml
	@tools/setup.sh all
	@touch $@ .venv/book-ready

.venv/lab-ready: .venv/all-ready requirements/lab.txt
	@tools/setup.sh lab
	@touch $@

.venv-colab/ready: .venv/all-ready requirements/colab.txt
	@tools/setup.sh colab
	@touch $@

book: .venv/book-ready
	@$(BIN)/jupyter-book build . -n -W --keep-going -q
	@echo "The book is built: open $(CURDIR)/_build/html/index.html"

# What a build leaves out or replaces is not watched.
serve: .venv/book-ready
	@$(BIN)/sphinx-autobuild -q -n --ignore '.*' --ignore '*/.*' \
		--ignore _build --ignore '*/__pycache__/*' \
		--open-browser -d _build/.doctrees . _build/html $(ARGS)

# Two files at a time, each on one core: threads would wait for each other.
test: .venv/all-ready
ifdef CHAPTER
	@$(BIN)/python tools/check_chapter.py $(CHAPTER)
else
	@$(BIN)/python tools/browser.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile \
		--no-loadscope-reorder --durations=10 $(ARGS)
endif

# The same sources without Jupyter Book, on the newest releases of the rest.
book-next: .venv/book-ready
	@tools/setup.sh next
	@$(BIN)/python tools/book_next.py

zip: book
	@cd _build && rm -rf course course.zip && cp -r html course && \
		../$(BIN)/python -m zipfile -c course.zip course && rm -r course
	@echo "Unpack it and open course/index.html: $(CURDIR)/_build/course.zip"

pdf: .venv/all-ready
	@$(BIN)/python tools/print_book.py

links: .venv/book-ready
	@$(BIN)/jupyter-book build . -n -W --keep-going -q --builder linkcheck

refresh: .venv/all-ready
	@$(BIN)/python tools/refresh.py $(CHAPTER)

new: .venv/all-ready
	@$(BIN)/python tools/new_chapter.py "$(CHAPTER)" "$(TITLE)"

lab: .venv/lab-ready
	@$(BIN)/jupyter lab chapters

hooks: .venv/lab-ready
	@$(BIN)/pre-commit install

PROCESSES := 1
full: .venv/all-ready
ifeq ($(PROCESSES),1)
	@$(BIN)/python tools/refresh.py --full $(CHAPTER) $(RUN)
else
	@$(BIN)/torchrun --standalone --nproc-per-node $(PROCESSES) \
		tools/refresh.py --full $(CHAPTER) $(RUN)
endif

results: .venv/all-ready
	@$(BIN)/python tools/refresh.py 8-5
	@$(BIN)/python tools/refresh.py compare
	@$(BIN)/python tools/readme.py

bench: .venv/all-ready
	@$(BIN)/python tools/bench.py

colab-test: .venv-colab/ready
	@$(BIN)/python tools/try_colab.py $(CHAPTER)

screenshot: book .venv/all-ready
	@$(BIN)/python tools/screenshot.py

clean:
	rm -rf _build
