# SPDX-License-Identifier: Apache-2.0
"""Verilog that stands in for a unit: with its ports, and little behind them."""

import functools

from amaranth.hdl import Fragment
from amaranth.lib.wiring import In

from ..gen.units import UNITS
from ..rtl.config import AcceleratorConfig, FTPConfig
from .payload import width

__all__ = ["stand_in", "stand_in_accelerator"]

# Copies words in the memory outside, each complemented. Registers: 0 identity; 4 write 1: start,
# write 2: clear the irq, read: busy; 8 source word; 12 destination word; 16 words; 20 bytes before
# the image; others SLVERR.
_COPIER = """
  localparam IDLE = 0, ASK = 1, READ = 2, TELL = 3, WRITE = 4, ANSWER = 5, BURST = 4;
  localparam WORD_BYTES = $bits(m_axi_wstrb);
  reg [2:0] state;
  reg [31:0] registers [0:5];
  reg [31:0] done;
  reg [8*WORD_BYTES-1:0] buffer [0:BURST-1];
  reg [2:0] beat;
  wire [31:0] left = registers[4] - done;
  wire [2:0] beats = left > BURST ? BURST : left;
  wire take = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  wire give = s_axil_arvalid && !s_axil_rvalid;
  assign s_axil_awready = take;
  assign s_axil_wready = take;
  assign s_axil_arready = give;

  assign m_axi_arvalid = state == ASK;
  assign m_axi_araddr = registers[5] + (registers[2] + done) * WORD_BYTES;
  assign m_axi_arlen = beats - 1;
  assign m_axi_arsize = $clog2(WORD_BYTES);
  assign m_axi_arburst = 1;
  assign m_axi_arid = 0;
  assign m_axi_rready = state == READ;
  assign m_axi_awvalid = state == TELL;
  assign m_axi_awaddr = registers[5] + (registers[3] + done) * WORD_BYTES;
  assign m_axi_awlen = beats - 1;
  assign m_axi_awsize = $clog2(WORD_BYTES);
  assign m_axi_awburst = 1;
  assign m_axi_awid = 0;
  assign m_axi_wvalid = state == WRITE;
  assign m_axi_wdata = ~buffer[beat];
  assign m_axi_wstrb = ~0;
  assign m_axi_wlast = beat == beats - 1;
  assign m_axi_bready = state == ANSWER;

  always @(posedge clk) begin
    if (rst) begin
      state <= IDLE;
      {irq, s_axil_bvalid, s_axil_rvalid} <= 0;
      registers[5] <= 0;
    end else begin
      if (s_axil_bready) s_axil_bvalid <= 0;
      if (s_axil_rready) s_axil_rvalid <= 0;
      if (take) begin
        s_axil_bvalid <= 1;
        s_axil_bresp <= s_axil_awaddr < 24 ? 0 : 2;
        if (s_axil_awaddr < 24) registers[s_axil_awaddr[4:2]] <= s_axil_wdata;
      end
      if (give) begin
        s_axil_rvalid <= 1;
        s_axil_rresp <= s_axil_araddr < 24 ? 0 : 2;
        s_axil_rdata <= s_axil_araddr == 0 ? 32'h5eed : s_axil_araddr == 4 ? state != IDLE
          : registers[s_axil_araddr[4:2]];
      end
      case (state)
        IDLE: done <= 0;
        ASK: if (m_axi_arready) state <= READ;
        READ: if (m_axi_rvalid) begin
          buffer[beat] <= m_axi_rdata;
          beat <= beat + 1;
          if (m_axi_rlast) {state, beat} <= {3'd3, 3'd0};
        end
        TELL: if (m_axi_awready) state <= WRITE;
        WRITE: if (m_axi_wready) begin
          beat <= beat + 1;
          if (m_axi_wlast) {state, beat} <= {3'd5, 3'd0};
        end
        ANSWER: if (m_axi_bvalid) begin
          done <= done + beats;
          state <= left == beats ? IDLE : ASK;
          if (left == beats) irq <= 1;
        end
        default: ;
      endcase
      if (take && s_axil_awaddr == 4) begin
        if (s_axil_wdata[0]) {state, beat} <= {3'd1, 3'd0};
        if (s_axil_wdata[1]) irq <= 0;
      end
    end
  end
"""

# Has a memory of 256 words of 64 bits inside: the load stream writes 32 bits at a time, the
# register `memory_address` (0x40) says where.
_LOADED = r"""
  reg [31:0] where;
  reg [1:0] pause;
  wire take = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  wire load = i_load__valid && i_load__ready;
  assign s_axil_awready = take;
  assign s_axil_wready = take;
  assign {s_axil_bresp, s_axil_arready, s_axil_rvalid, s_axil_rdata, s_axil_rresp, irq} = 0;
  assign i_load__ready = pause == 3;  // one word in four cycles
  always @(posedge clk) begin
    pause <= pause + 1;
    s_axil_bvalid <= take && !rst;
    if (take && s_axil_awaddr == 12'h40) where <= s_axil_wdata;
    else if (load) where <= where + 1;
  end
  \accelerator.memory  memory(.clk(clk), .write__en({load && where[0], load && !where[0]}),
    .write__addr(where[8:1]), .write__data({2{i_load__payload}}));
"""
_MEMORY = r"""
module \accelerator.memory (clk, write__en, write__addr, write__data);
  input clk;
  input [1:0] write__en;
  input [7:0] write__addr;
  input [63:0] write__data;
  reg [63:0] words [255:0];
  always @(posedge clk) begin
    if (write__en[0])
      words[write__addr][31:0] <= write__data[31:0];
    if (write__en[1])
      words[write__addr][63:32] <= write__data[63:32];
  end
endmodule
"""


def stand_in(unit: str, config: FTPConfig, body: str) -> str:
    """Return a module in place of a unit.

    Parameters
    ----------
    unit : str
    config : FTPConfig
    body : str
        All between the ports and ``endmodule``; it may assign to the outputs, or use them as
        registers.
    """
    component = UNITS[unit](config)
    for used in (component, *getattr(component, "shared", {}).values()):
        Fragment.get(used, None)  # what is made must be used
    ports = {"clk": "input clk", "rst": "input rst"}
    for path, member, _ in component.signature.flatten(component):
        name = "__".join(map(str, path))
        direction = "input" if member.flow == In else "output reg"
        ports[name] = f"{direction} [{width(member.shape) - 1}:0] {name}"
    lines = [f"module {unit}({', '.join(ports)});", *(f"  {port};" for port in ports.values())]
    return "\n".join([*lines, body.strip("\n"), "endmodule\n"])


@functools.cache
def stand_in_accelerator(config: AcceleratorConfig) -> str:
    """Return what uses the buses of the accelerator, and its memory inside if it has one.

    With a memory outside it copies words there; one inside can only be loaded.
    """
    if config.memory == "on_chip":
        return stand_in("accelerator", config, _LOADED) + _MEMORY
    return stand_in("accelerator", config, _COPIER)
