"""Vega and Vega-Lite as one script, which every page carries so that it opens without a network.

vl-convert bundles the script, but takes three seconds over it, a third of a whole run. So the bundle lies beside this
file as `vega.js`; a test compares it with what the installed version gives, and

    python -m forecast.reporting.vega

writes it anew after an update.
"""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).with_name("vega.js")
_NOTICE = """/*! Vega {vega} and Vega-Lite {vega_lite}, bundled by vl-convert.
Copyright (c) 2015-2025, University of Washington Interactive Data Lab and contributors;
D3 modules copyright (c) Mike Bostock (ISC). All rights reserved.
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met: 1. Redistributions of source code must retain the above copyright notice, this list of
conditions and the following disclaimer. 2. Redistributions in binary form must reproduce the above copyright notice,
this list of conditions and the following disclaimer in the documentation and/or other materials provided with the
distribution. 3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or
promote products derived from this software without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE. */
"""

_VERSIONS = {"vega": "6.2.0", "vega_lite": "6.4.1"}
"""Those that vl-convert 1.9 carries; its import paths name them to the last digit."""
_EXPORTS = """
import {{View, parse}} from "/npm/vega@{vega}/+esm";
import {{compile}} from "/npm/vega-lite@{vega_lite}/+esm";
window.vega = {{View, parse}};
window.vegaLite = {{compile}};
"""


def read_library() -> str:
    """Return the script that defines `vega` and `vegaLite`."""
    return SCRIPT.read_text(encoding="utf-8")


def bundle_library() -> str:
    """Bundle the script anew, which takes seconds."""
    import vl_convert  # noqa: PLC0415 - only a maintainer needs it

    return _NOTICE.format(**_VERSIONS) + vl_convert.javascript_bundle(_EXPORTS.format(**_VERSIONS))


if __name__ == "__main__":
    SCRIPT.write_text(bundle_library(), encoding="utf-8")
