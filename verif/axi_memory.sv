// SPDX-License-Identifier: Apache-2.0
// Behavioural AXI4 memory: bursts of whole words, in order, with a latency and a bandwidth that
// are set while it runs. It checks its master, and it reads and writes files.

// A read burst answers `latency` cycles after its address at the earliest, a write burst after its
// last word. `pace` is the bandwidth of each direction in 1/256 words a cycle, `stall` the share,
// in 1/256, of cycles in which a channel pauses at random.
//
// `fault` keeps the first offence of the master: 1 burst other than INCR or of other than whole
// words, 2 burst across 4 KiB, 3 address outside the memory, 4 valid or payload changed while it
// waited, 5 `wlast` in the wrong place.
//
// `command` for one cycle: 1 reads `words` words from `first` on out of the file memory_in.hex,
// 2 writes them to memory_out.hex, 3 begins the file writes.log, 4 ends it. Each word written by
// the master leaves there a line: cycle, word address.
module axi_memory(clk, rst, cycle, latency, pace, stall, command, first, words, fault,
                  awid, awaddr, awlen, awsize, awburst, awvalid, awready,
                  wdata, wstrb, wlast, wvalid, wready, bid, bresp, bvalid, bready,
                  arid, araddr, arlen, arsize, arburst, arvalid, arready,
                  rid, rdata, rresp, rlast, rvalid, rready);
  parameter ADDRESS_BITS = 32, DATA_BITS = 128, ID_BITS = 1, WORDS = 1024;
  localparam BYTES = DATA_BITS / 8, SHIFT = $clog2(BYTES);
  localparam BURSTS = 64;  // that may wait, in each direction
  input clk, rst;
  input [63:0] cycle;
  input [15:0] latency;
  input [8:0] pace;
  input [7:0] stall;
  input [2:0] command;
  input [31:0] first, words;
  output reg [2:0] fault;
  input [ID_BITS-1:0] awid, arid;
  input [ADDRESS_BITS-1:0] awaddr, araddr;
  input [7:0] awlen, arlen;
  input [2:0] awsize, arsize;
  input [1:0] awburst, arburst;
  input awvalid, wlast, wvalid, bready, arvalid, rready;
  output awready, wready, arready;
  input [DATA_BITS-1:0] wdata;
  input [BYTES-1:0] wstrb;
  output [ID_BITS-1:0] bid;
  output [1:0] bresp, rresp;
  output bvalid;
  output reg [ID_BITS-1:0] rid;
  output reg [DATA_BITS-1:0] rdata;
  output reg rlast, rvalid;

  reg [DATA_BITS-1:0] memory [0:WORDS-1];
  reg [31:0] noise;
  integer log = 0;

  function [2:0] offence(input [ADDRESS_BITS-1:0] address, input [7:0] length,
                         input [2:0] size, input [1:0] burst);
    if (burst != 1 || size != SHIFT || (address & (BYTES - 1)) != 0) offence = 1;
    else if ((address & 4095) + ((length + 1) << SHIFT) > 4096) offence = 2;
    else if ((address >> SHIFT) + length >= WORDS) offence = 3;
    else offence = 0;
  endfunction

  // Reads: a ring of bursts, of which the oldest is answered word by word.
  reg [31:0] read_word [0:BURSTS-1];
  reg [7:0] read_length [0:BURSTS-1];
  reg [ID_BITS-1:0] read_id [0:BURSTS-1];
  reg [63:0] read_due [0:BURSTS-1];
  reg [5:0] read_head, read_tail;
  reg [6:0] reads;
  reg [7:0] read_beat;
  reg [9:0] read_credit;
  wire read_last = read_beat == read_length[read_head];
  wire read_send = (!rvalid || rready) && reads != 0 && read_due[read_head] <= cycle
    && read_credit >= 256 && noise[7:0] >= stall;
  assign arready = reads != BURSTS && noise[15:8] >= stall;
  assign rresp = 0;
  always @(posedge clk) begin
    if (rst) begin
      {rvalid, reads, read_head, read_tail, read_beat, read_credit} <= 0;
    end else begin
      read_credit <= (read_credit > 512 ? 512 : read_credit) + pace - (read_send ? 256 : 0);
      reads <= reads + {6'd0, arvalid && arready} - {6'd0, read_send && read_last};
      if (arvalid && arready) begin
        read_word[read_tail] <= araddr >> SHIFT;
        read_length[read_tail] <= arlen;
        read_id[read_tail] <= arid;
        read_due[read_tail] <= cycle + latency;
        read_tail <= read_tail + 1;
      end
      if (read_send) begin
        rdata <= memory[read_word[read_head] + read_beat];
        rid <= read_id[read_head];
        rlast <= read_last;
        read_beat <= read_last ? 0 : read_beat + 1;
        if (read_last) read_head <= read_head + 1;
      end
      if (!rvalid || rready) rvalid <= read_send;
    end
  end

  // Writes: a ring of bursts; words go to the one at `write_data`, the answer is that of the head.
  reg [31:0] write_word [0:BURSTS-1];
  reg [7:0] write_length [0:BURSTS-1];
  reg [ID_BITS-1:0] write_id [0:BURSTS-1];
  reg [63:0] write_due [0:BURSTS-1];
  reg [5:0] write_head, write_data, write_tail;
  reg [6:0] writes, unwritten;
  reg [7:0] write_beat;
  reg [9:0] write_credit;
  wire write_take = wvalid && wready;
  wire write_last = write_beat == write_length[write_data];
  wire [31:0] write_address = write_word[write_data] + write_beat;
  wire written = writes != unwritten && write_due[write_head] <= cycle;
  integer octet;
  assign awready = writes != BURSTS && noise[23:16] >= stall;
  assign wready = unwritten != 0 && write_credit >= 256 && noise[31:24] >= stall;
  assign bvalid = written;
  assign bid = write_id[write_head];
  assign bresp = 0;
  always @(posedge clk) begin
    if (rst) begin
      {writes, unwritten, write_head, write_data, write_tail, write_beat, write_credit} <= 0;
    end else begin
      write_credit <= (write_credit > 512 ? 512 : write_credit) + pace - (write_take ? 256 : 0);
      writes <= writes + {6'd0, awvalid && awready} - {6'd0, bvalid && bready};
      unwritten <= unwritten + {6'd0, awvalid && awready} - {6'd0, write_take && write_last};
      if (awvalid && awready) begin
        write_word[write_tail] <= awaddr >> SHIFT;
        write_length[write_tail] <= awlen;
        write_id[write_tail] <= awid;
        write_tail <= write_tail + 1;
      end
      if (write_take) begin
        for (octet = 0; octet < BYTES; octet = octet + 1)
          if (wstrb[octet]) memory[write_address][8*octet +: 8] <= wdata[8*octet +: 8];
        if (log != 0) $fwrite(log, "%0d %0h\n", cycle, write_address);
        write_beat <= write_last ? 0 : write_beat + 1;
        if (write_last) begin
          write_due[write_data] <= cycle + latency;
          write_data <= write_data + 1;
        end
      end
      if (bvalid && bready) write_head <= write_head + 1;
    end
  end

  always @(posedge clk) begin
    noise <= rst ? 32'h5eed1e55 : shuffled(noise);
    case (command)
      1: $readmemh("memory_in.hex", memory, first, first + words - 1);
      2: $writememh("memory_out.hex", memory, first, first + words - 1);
      3: log = $fopen("writes.log", "w");
      4: if (log != 0) begin
        $fclose(log);
        log = 0;
      end
      default: ;
    endcase
  end

  function [31:0] shuffled(input [31:0] state);  // xorshift32
    reg [31:0] x;
    begin
      x = state ^ (state << 13);
      x = x ^ (x >> 17);
      shuffled = x ^ (x << 5);
    end
  endfunction

  // What waited in the last cycle must still be there.
  localparam ADDRESS_PAYLOAD = ID_BITS + ADDRESS_BITS + 8 + 3 + 2;
  wire [ADDRESS_PAYLOAD-1:0] aw = {awid, awaddr, awlen, awsize, awburst};
  wire [ADDRESS_PAYLOAD-1:0] ar = {arid, araddr, arlen, arsize, arburst};
  wire [DATA_BITS+BYTES:0] w = {wdata, wstrb, wlast};
  reg [ADDRESS_PAYLOAD-1:0] aw_waited, ar_waited;
  reg [DATA_BITS+BYTES:0] w_waited;
  reg aw_waits, ar_waits, w_waits;
  wire [2:0] aw_offence = offence(awaddr, awlen, awsize, awburst);
  wire [2:0] ar_offence = offence(araddr, arlen, arsize, arburst);
  always @(posedge clk) begin
    {aw_waits, ar_waits, w_waits} <= {awvalid && !awready, arvalid && !arready,
                                      wvalid && !wready} & {3{!rst}};
    aw_waited <= aw;
    ar_waited <= ar;
    w_waited <= w;
    if (rst) fault <= 0;
    else if (fault == 0) begin
      if (awvalid && aw_offence != 0) fault <= aw_offence;
      else if (arvalid && ar_offence != 0) fault <= ar_offence;
      else if ((aw_waits && (!awvalid || aw != aw_waited))
               || (ar_waits && (!arvalid || ar != ar_waited))
               || (w_waits && (!wvalid || w != w_waited))) fault <= 4;
      else if (write_take && wlast != write_last) fault <= 5;
    end
  end
endmodule
