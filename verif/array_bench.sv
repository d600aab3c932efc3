// SPDX-License-Identifier: Apache-2.0
// Free-running bench of an array: stimuli come from files, results go to files, and no
// testbench code runs in between. Files lie in the working directory at the end of the reset.
//
// array_design.py writes these macros in front: ARRAY, the instance of the array, connected to
// the vectors of streams below; FIBER_BITS, the bits in memory of an output beat `word`; PLAYERS,
// READS and LANES, how many there are; the widths of payloads; those of array_rows.sv, if the
// elements hold several rows each.

// Sends the words of in_INDEX.hex, each {need, payload}, once the memory has fetched `need` bits.
// `used` is the need of the last word taken.
module stream_player(clk, rst, fetched, used, idle, valid, ready, payload);
  parameter INDEX = 0, WIDTH = 8;
  input clk, rst;
  input [31:0] fetched;
  output reg [31:0] used;
  output idle;  // all words are taken
  output valid;
  input ready;
  output [WIDTH-1:0] payload;
  reg [32+WIDTH-1:0] word, next;
  reg held;
  integer file = 0, found;
  wire [31:0] need = word[WIDTH +: 32];
  assign valid = held && need <= fetched;
  assign idle = !held;
  assign payload = word[WIDTH-1:0];
  always @(posedge clk) begin
    if (rst) begin
      if (file != 0) $fclose(file);
      file = $fopen($sformatf("in_%0d.hex", INDEX), "r");
      used <= 0;
    end else if (valid && ready) used <= need;
    if (rst || (valid && ready)) begin
      found = $fscanf(file, "%h", next);
      held <= found == 1;
      word <= next;
    end
  end
endmodule

// Writes the words it takes to out_INDEX.log, each after the number of its cycle.
module stream_recorder(clk, rst, cycle, valid, ready, payload);
  parameter INDEX = 0, WIDTH = 8;
  input clk, rst, valid, ready;
  input [31:0] cycle;
  input [WIDTH-1:0] payload;
  integer file = 0;
  always @(posedge clk) begin
    if (rst) begin
      if (file != 0) $fclose(file);
      file = $fopen($sformatf("out_%0d.log", INDEX), "w");
    end else if (valid && ready) $fwrite(file, "%0d %h\n", cycle, payload);
  end
endmodule

// `done` rises when the array is idle with all inputs sent and all outputs in memory, on an
// error, or (`stuck`) when nothing has moved for a long time. `cycles` counts up to the last
// movement on a stream or in memory.
module array_bench(clk, rst, bandwidth, total, room, stride, fetched, written, done, stuck,
                   cycles, error, counters);
  parameter PATIENCE = 10000;
  parameter BUFFER = 8192;  // bits waiting to be written to memory
  input clk;
  input rst;
  input [31:0] bandwidth;
  input [1023:0] total;     // these three of each read, 32 bits; zero beyond
  input [1023:0] room;
  input [31:0] stride;      // lines of a row, see array_rows.sv
  output [1023:0] fetched;
  output [31:0] written;
  output reg done;
  output reg stuck;
  output reg [31:0] cycles;
  output [31:0] error;      // this and the next one are zero-extended
  output [1023:0] counters;

  wire [`PLAYERS-1:0] in_valid, in_ready;
  wire [`PLAYERS*`IN_WIDTH-1:0] in_payload;
  wire [`PLAYERS-1:0] idle;
  wire [`PLAYERS*32-1:0] used;
  wire [`LANES-1:0] psums_valid, fiber_valid;
  wire [`LANES*`PSUMS_WIDTH-1:0] psums_payload;
  wire [`LANES*`FIBER_WIDTH-1:0] fiber_payload;
  wire [`READS*32-1:0] all_fetched;
  wire [`ERROR_WIDTH-1:0] array_error;
  wire [`COUNTERS_WIDTH-1:0] array_counters;
  wire busy, memory_moves, rows_idle, rows_move;
  assign fetched = all_fetched;
  assign error = array_error;
  assign counters = array_counters;
  reg [31:0] produced, produced_next, cycle, still;
  reg [`FIBER_WIDTH-1:0] word;
  integer lane;
  wire [`LANES-1:0] psums_ready = {`LANES{1'b1}};
  wire [`LANES-1:0] fiber_ready = {`LANES{produced - written <= BUFFER}};
  wire moves = |(in_valid & in_ready) || |psums_valid || |(fiber_valid & fiber_ready)
    || memory_moves || rows_move;

`ifdef ELEMENTS
  wire deal_valid, deal_ready;
  wire [`DEAL_WIDTH-1:0] deal;
  wire [`ELEMENTS*`PLACES-1:0] row_valid, row_ready;
  wire [`ELEMENTS*`ROW_WIDTH-1:0] row_payload;
  row_fetchers rows(
    .clk(clk), .rst(rst), .fetched(fetched[31:0]), .stride(stride), .deal_valid(deal_valid),
    .deal_ready(deal_ready), .deal(deal), .valid(row_valid), .ready(row_ready),
    .payload(row_payload), .idle(rows_idle));
  assign rows_move = |(row_valid & row_ready) || (deal_valid && deal_ready);
`else
  assign rows_idle = 1;
  assign rows_move = 0;
`endif

  `ARRAY

  array_memory #(.READS(`READS)) memory(
    .clk(clk), .rst(rst), .bandwidth(bandwidth), .total(total[`READS*32-1:0]),
    .room(room[`READS*32-1:0]), .used({used[(`READS-1)*32-1:0], 32'd0}), .fetched(all_fetched),
    .produced(produced), .written(written), .moves(memory_moves));

  // The first players send weights, each from a read of its own after the first read; that one
  // fills the cache of spikes, which the others send from.
  genvar k;
  generate
    for (k = 0; k < `PLAYERS; k = k + 1) begin : players
      stream_player #(.INDEX(k), .WIDTH(`IN_WIDTH)) player(
        .clk(clk), .rst(rst), .fetched(fetched[(k + 1 < `READS ? k + 1 : 0)*32 +: 32]),
        .used(used[k*32 +: 32]), .idle(idle[k]), .valid(in_valid[k]), .ready(in_ready[k]),
        .payload(in_payload[k*`IN_WIDTH +: `IN_WIDTH]));
    end
    for (k = 0; k < `LANES; k = k + 1) begin : lanes
      stream_recorder #(.INDEX(2 * k), .WIDTH(`PSUMS_WIDTH)) psums(
        .clk(clk), .rst(rst), .cycle(cycle), .valid(psums_valid[k]), .ready(psums_ready[k]),
        .payload(psums_payload[k*`PSUMS_WIDTH +: `PSUMS_WIDTH]));
      stream_recorder #(.INDEX(2 * k + 1), .WIDTH(`FIBER_WIDTH)) fibers(
        .clk(clk), .rst(rst), .cycle(cycle), .valid(fiber_valid[k]), .ready(fiber_ready[k]),
        .payload(fiber_payload[k*`FIBER_WIDTH +: `FIBER_WIDTH]));
    end
  endgenerate

  always @* begin
    produced_next = produced;
    for (lane = 0; lane < `LANES; lane = lane + 1) begin
      word = fiber_payload[lane*`FIBER_WIDTH +: `FIBER_WIDTH];
      if (fiber_valid[lane] && fiber_ready[lane])
        produced_next = produced_next + (`FIBER_BITS);
    end
  end

  always @(posedge clk) begin
    if (rst) begin
      {done, stuck} <= 0;
      {cycle, cycles, still, produced} <= 0;
    end else if (!done) begin
      cycle <= cycle + 1;
      produced <= produced_next;
      still <= moves ? 0 : still + 1;
      if (moves) cycles <= cycle + 1;
      // 4 still cycles: `busy` follows a tile into the array one cycle late
      if (still == PATIENCE || error != 0 || (still >= 4 && !busy && &idle && rows_idle)) begin
        done <= 1;
        stuck <= still == PATIENCE;
      end
    end
  end
endmodule
