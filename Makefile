# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
LINK := .build/ansible_collections/lithnet/access_manager
CHECK := $(BIN)/python tests/tools/check.py

# Ansible ignores the ansible.cfg of a folder that everyone may write to, unless it is named.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export LC_ALL := C.UTF-8

.PHONY: help venv wine demo bench judges test test-fast test-windows named-inventory clean

help:
	@echo 'make demo       back up a lab host, from nothing, and show what came of it'
	@echo 'make test       everything: unit, integration on the lab, sanity, lint'
	@echo 'make test-fast  the quick units, and lint'
	@echo 'make test-windows INVENTORY=...  the tests that any Windows server of an inventory can run, with a stand-in of Access Manager'
	@echo 'make bench      processes, requests, times and downtime of a backup, and the worst cases within the bounds'
	@echo 'make judges     the rulebook by ansible-rulebook, and the scenario of Molecule'
	@echo 'make clean      remove what these made'
	@echo 'PYTHON=python3.13 VENV=.venv313 chooses another Python'

venv: $(STAMP) $(LINK)

$(STAMP): tests/requirements.txt tests/requirements-optional.txt meta/ee-requirements.txt
	tests/tools/packages.sh $(PYTHON) venv python-ldap ssh-keygen
	@test ! -L $(VENV) || { echo "$(VENV) is a link: what it names is not cleared. Remove the link, or bring that up to date." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	-grep -v '^#' tests/requirements-optional.txt | tr -d ' ' | xargs -n1 $(BIN)/pip install --quiet --disable-pip-version-check
	touch $@

$(LINK):
	mkdir -p $(dir $@)
	ln -s ../../.. $@

wine:
	tests/tools/packages.sh $(PYTHON) wine

demo: wine venv
	$(BIN)/python tests/demo.py

bench: wine venv
	$(BIN)/python tests/bench.py

# Nothing else needs their tools.
judges: venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/judges.txt
	$(CHECK) judges

test-fast: venv
	$(CHECK) fast

# Without wine or shellcheck, their steps are skipped and named at the end; without chromium, promtool, samba, age or rsync, their tests are.
test: venv
	-tests/tools/packages.sh $(PYTHON) wine shellcheck chromium promtool samba age rsync
	$(CHECK) all

# STANDIN names the program of the stand-in where none can be compiled: see tests/windows/stand_in.py.
test-windows: named-inventory venv
	$(BIN)/pytest -v tests/windows

named-inventory:
	@test -n '$(INVENTORY)' || { echo 'Name the servers to test: make test-windows INVENTORY=path/to/inventory.yml' >&2; exit 2; }

clean:
	rm -rf .venv* .build .ansible .nox .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output
