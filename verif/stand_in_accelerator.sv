// SPDX-License-Identifier: Apache-2.0
// Stands in for the accelerator where only its bus matters: it copies words in the memory, each
// complemented. Registers: 0 identity; 4 write 1: start, write 2: clear the irq, read:
// busy; 8 source word; 12 destination word; 16 words; 20 bytes before the image; others SLVERR.
module accelerator(clk, rst, s_axil_awaddr, s_axil_awprot, s_axil_awvalid, s_axil_awready,
                   s_axil_wdata, s_axil_wstrb, s_axil_wvalid, s_axil_wready, s_axil_bresp,
                   s_axil_bvalid, s_axil_bready, s_axil_araddr, s_axil_arprot, s_axil_arvalid,
                   s_axil_arready, s_axil_rdata, s_axil_rresp, s_axil_rvalid, s_axil_rready,
                   irq, m_axi_awid, m_axi_awaddr, m_axi_awlen, m_axi_awsize,
                   m_axi_awburst, m_axi_awvalid, m_axi_awready, m_axi_wdata, m_axi_wstrb,
                   m_axi_wlast, m_axi_wvalid, m_axi_wready, m_axi_bid, m_axi_bresp,
                   m_axi_bvalid, m_axi_bready, m_axi_arid, m_axi_araddr, m_axi_arlen,
                   m_axi_arsize, m_axi_arburst, m_axi_arvalid, m_axi_arready, m_axi_rid,
                   m_axi_rdata, m_axi_rresp, m_axi_rlast, m_axi_rvalid, m_axi_rready);
  input clk;
  input rst;
  input [7:0] s_axil_awaddr;
  input [2:0] s_axil_awprot;
  input s_axil_awvalid;
  output s_axil_awready;
  input [31:0] s_axil_wdata;
  input [3:0] s_axil_wstrb;
  input s_axil_wvalid;
  output s_axil_wready;
  output reg [1:0] s_axil_bresp;
  output reg s_axil_bvalid;
  input s_axil_bready;
  input [7:0] s_axil_araddr;
  input [2:0] s_axil_arprot;
  input s_axil_arvalid;
  output s_axil_arready;
  output reg [31:0] s_axil_rdata;
  output reg [1:0] s_axil_rresp;
  output reg s_axil_rvalid;
  input s_axil_rready;
  output reg irq;
  output [1:0] m_axi_awid;
  output [31:0] m_axi_awaddr;
  output [7:0] m_axi_awlen;
  output [2:0] m_axi_awsize;
  output [1:0] m_axi_awburst;
  output m_axi_awvalid;
  input m_axi_awready;
  output [63:0] m_axi_wdata;
  output [7:0] m_axi_wstrb;
  output m_axi_wlast;
  output m_axi_wvalid;
  input m_axi_wready;
  input [1:0] m_axi_bid;
  input [1:0] m_axi_bresp;
  input m_axi_bvalid;
  output m_axi_bready;
  output [1:0] m_axi_arid;
  output [31:0] m_axi_araddr;
  output [7:0] m_axi_arlen;
  output [2:0] m_axi_arsize;
  output [1:0] m_axi_arburst;
  output m_axi_arvalid;
  input m_axi_arready;
  input [1:0] m_axi_rid;
  input [63:0] m_axi_rdata;
  input [1:0] m_axi_rresp;
  input m_axi_rlast;
  input m_axi_rvalid;
  output m_axi_rready;

  localparam IDLE = 0, ASK = 1, READ = 2, TELL = 3, WRITE = 4, ANSWER = 5, BURST = 4;
  reg [2:0] state;
  reg [31:0] registers [0:5];
  reg [31:0] done;
  reg [63:0] buffer [0:BURST-1];
  reg [2:0] beat;
  wire [31:0] left = registers[4] - done;
  wire [2:0] beats = left > BURST ? BURST : left;
  wire take = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  wire give = s_axil_arvalid && !s_axil_rvalid;
  assign s_axil_awready = take;
  assign s_axil_wready = take;
  assign s_axil_arready = give;

  assign m_axi_arvalid = state == ASK;
  assign m_axi_araddr = registers[5] + (registers[2] + done) * 8;
  assign m_axi_arlen = beats - 1;
  assign m_axi_arsize = 3;
  assign m_axi_arburst = 1;
  assign m_axi_arid = 0;
  assign m_axi_rready = state == READ;
  assign m_axi_awvalid = state == TELL;
  assign m_axi_awaddr = registers[5] + (registers[3] + done) * 8;
  assign m_axi_awlen = beats - 1;
  assign m_axi_awsize = 3;
  assign m_axi_awburst = 1;
  assign m_axi_awid = 0;
  assign m_axi_wvalid = state == WRITE;
  assign m_axi_wdata = ~buffer[beat];
  assign m_axi_wstrb = 255;
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
endmodule
