// SPDX-License-Identifier: Apache-2.0
// What fetches rows from the cache for elements that hold several: the dealer says which element
// and place takes each row of a tile. All beats of the layer are in rows.hex, {need, payload},
// `stride` lines for each row; elements.hex has for each tile the elements of a group.
//
// array_design.py writes these macros in front: ELEMENTS and PLACES of each, ROW_WIDTH, where a
// beat has its `end` and `last`, DEAL_WIDTH, the fields of a dealt row `deal`; LINE, the
// characters of a line of rows.hex.

// One element's rows, one for each place. A beat leaves in each cycle, chunk by chunk in turn,
// once the cache holds the `need` bits. The next tile's rows wait for all rows of this one: they
// would block the way when the element takes no more of them.
module row_fetcher(clk, rst, fetched, tile, deal, place, first, idle, free, valid, ready, payload);
  input clk, rst, deal;
  input tile;                          // parity of the tile that the dealt row is in
  input [31:0] fetched, place, first;  // `first` is the line of the dealt row's first beat
  output idle;
  output [`PLACES-1:0] free;           // places that take a row of this tile
  output [`PLACES-1:0] valid;
  input [`PLACES-1:0] ready;
  output [`ROW_WIDTH-1:0] payload;
  reg [32+`IN_WIDTH-1:0] words [0:`PLACES-1];
  reg [32+`IN_WIDTH-1:0] next, word;
  reg [`PLACES-1:0] held;
  integer files [0:`PLACES-1];
  integer turn, chosen, at, k, found;
  reg offered, current;
  assign idle = held == 0;
  assign free = idle || current == tile ? ~held : 0;
  assign payload = word[`ROW_WIDTH-1:0];
  assign valid = offered ? 1 << chosen : 0;
  always @* begin
    offered = 0;
    chosen = turn;
    for (k = 0; k < `PLACES; k = k + 1) begin
      at = (turn + k) % `PLACES;
      if (!offered && held[at] && words[at][`IN_WIDTH +: 32] <= fetched) begin
        offered = 1;
        chosen = at;
      end
    end
    word = words[chosen];
  end
  initial for (k = 0; k < `PLACES; k = k + 1) files[k] = 0;
  always @(posedge clk) begin
    if (rst) begin
      held <= 0;
      turn <= 0;
      for (k = 0; k < `PLACES; k = k + 1) begin
        if (files[k] != 0) $fclose(files[k]);
        files[k] = $fopen("rows.hex", "r");
      end
    end else begin
      if (offered) turn <= chosen;
      if (|(valid & ready)) begin
        if (word[`ROW_END]) turn <= (chosen + 1) % `PLACES;
        if (word[`ROW_END] && word[`ROW_LAST]) held[chosen] <= 0;
        else begin
          found = $fscanf(files[chosen], "%h", next);
          words[chosen] <= next;
        end
      end
      if (deal) begin
        found = $fseek(files[place], first * `LINE, 0);
        found = $fscanf(files[place], "%h", next);
        words[place] <= next;
        held[place] <= 1;
        current <= tile;
      end
    end
  end
endmodule

// A dealt row waits until its place is free in each group: row and element of one tile are taken
// in the order of the dealer.
module row_fetchers(clk, rst, fetched, stride, deal_valid, deal_ready, deal, valid, ready,
                    payload, idle);
  input clk, rst, deal_valid;
  input [31:0] fetched, stride;
  output reg deal_ready;
  input [`DEAL_WIDTH-1:0] deal;
  output [`ELEMENTS*`PLACES-1:0] valid;
  input [`ELEMENTS*`PLACES-1:0] ready;
  output [`ELEMENTS*`ROW_WIDTH-1:0] payload;
  output idle;
  wire [`ELEMENTS*`PLACES-1:0] free;
  wire [`ELEMENTS-1:0] at_rest;
  reg [`ELEMENTS-1:0] mine;
  reg tile;
  reg [31:0] elements, base, count, next;  // of the tile: of a group; its first row; rows so far
  integer file = 0, found, e;
  assign idle = &at_rest && !deal_valid;
  always @* begin
    deal_ready = 1;
    for (e = 0; e < `ELEMENTS; e = e + 1) begin
      mine[e] = e % elements == `DEAL_ELEMENT;
      if (mine[e] && !free[e * `PLACES + `DEAL_PLACE]) deal_ready = 0;
    end
  end
  genvar g;
  generate
    for (g = 0; g < `ELEMENTS; g = g + 1) begin : each
      row_fetcher fetcher(
        .clk(clk), .rst(rst), .fetched(fetched), .tile(tile),
        .deal(deal_valid && deal_ready && mine[g]), .place(`DEAL_PLACE),
        .first((base + `DEAL_ROW) * stride), .idle(at_rest[g]),
        .free(free[g*`PLACES +: `PLACES]), .valid(valid[g*`PLACES +: `PLACES]),
        .ready(ready[g*`PLACES +: `PLACES]), .payload(payload[g*`ROW_WIDTH +: `ROW_WIDTH]));
    end
  endgenerate
  always @(posedge clk) begin
    if (rst) begin
      if (file != 0) $fclose(file);
      file = $fopen("elements.hex", "r");
      base <= 0;
      count <= 0;
      tile <= 0;
    end else if (deal_valid && deal_ready) begin
      base <= `DEAL_LAST ? base + count + 1 : base;
      count <= `DEAL_LAST ? 0 : count + 1;
      tile <= tile ^ `DEAL_LAST;
    end
    if (rst || (deal_valid && deal_ready && `DEAL_LAST)) begin
      found = $fscanf(file, "%h", next);
      elements <= found == 1 ? next : 1;
    end
  end
endmodule
