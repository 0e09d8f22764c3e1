# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of manifests, in OpenSSH's format: made with a key of the controller, verified against the signers that
are allowed.

ssh-keygen does both, so that keys in files, in ssh-agent and in security keys work, and anybody can check a backup
without us. In each run it decides once for each key whether that is allowed; what else an Ed25519 key signed is then
verified with cryptography, without another process. C(trust) alone decides whose backups a run accepts; C(signature)
reads what a signature says of itself.
"""
