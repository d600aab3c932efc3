# SPDX-License-Identifier: Apache-2.0
"""The memory behind an array: who gets how much of its bandwidth when."""

from pathlib import Path

from spikeloom.rtl.config import FTPConfig
from spikeloom.verif import array_design
from spikeloom.verif.build import Design
from spikeloom.verif.runner import Run, run_bench
from spikeloom.verif.tb_array_memory import READS

TOP = f"""module memory_bench(clk, rst, bandwidth, total, room, used, fetched, produced, written,
                    moves);
  input clk;
  input rst;
  input [31:0] bandwidth;
  input [{32 * READS - 1}:0] total;
  input [{32 * READS - 1}:0] room;
  input [{32 * READS - 1}:0] used;
  output [{32 * READS - 1}:0] fetched;
  input [31:0] produced;
  output [31:0] written;
  output moves;
  array_memory #(.READS({READS})) memory(.*);
endmodule
"""


def test_bench():
    memory = Path(array_design.__file__).with_name("array_memory.sv").read_text()
    run_bench(Run(unit="ftp_array", config=FTPConfig(), bench="tb_array_memory",
                  design=Design(top="memory_bench", verilog=memory + TOP)))
