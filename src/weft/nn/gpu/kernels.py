# ruff: noqa: N803
"""The kernels themselves, in Triton: one for each piece of a layer that torch does in many calls.

`bits.py`, `norm.py`, `attention.py` and `lora.py` call them, and say what their arguments are. Not
one of them lets rows of different runs or examples meet, so a run that breaks breaks alone.
Products are of numbers in the input's format, sums in float32.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["site", "call"])
def draw(keys, begins, width, site, call, out, BLOCK: tl.constexpr):
    """Random bits of run program_id(1): one chunk of its places of `out`."""
    run = tl.program_id(1)
    begin = tl.load(begins + run).to(tl.int64) * width
    count = tl.load(begins + run + 1).to(tl.int64) * width - begin
    chunk = tl.program_id(0).to(tl.int64)
    place = chunk * (8 * BLOCK) + tl.arange(0, BLOCK)
    if chunk * (8 * BLOCK) < count:
        group = chunk * BLOCK + tl.arange(0, BLOCK)
        zero = tl.zeros((BLOCK,), tl.uint32)
        words = tl.philox(tl.load(keys + run), group.to(tl.uint32), zero + site, zero + call, zero)
        for k in tl.static_range(4):
            low, high = place + 2 * k * BLOCK, place + (2 * k + 1) * BLOCK
            tl.store(out + begin + low, (words[k] & 0xFFFF).to(tl.int16), mask=low < count)
            tl.store(out + begin + high, (words[k] >> 16).to(tl.int16), mask=high < count)


@triton.jit
def _kept(bits, threshold):
    return (bits.to(tl.int32) & 0xFFFF) >= threshold


@triton.jit
def _dot(x, y, WIDE: tl.constexpr):
    if WIDE:
        return tl.dot(x.to(tl.float32), y.to(tl.float32), input_precision="ieee")
    return tl.dot(x, y)


@triton.jit
def norm_forward(
    update, bits, residual, weight, bias, wide, narrow, normal, inverse,
    width, threshold, scale, epsilon,
    DROPS: tl.constexpr, TWICE: tl.constexpr, KEEPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """LayerNorm of residual + dropout(update), one row a program."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    there = column < width
    at = row * width + column
    x = tl.load(update + at, mask=there, other=0.0).to(tl.float32)
    if DROPS:
        x = tl.where(_kept(tl.load(bits + at, mask=there, other=0), threshold), x * scale, 0.0)
    x += tl.load(residual + at, mask=there, other=0.0)
    mean = tl.sum(x, 0) / width
    x = tl.where(there, x - mean, 0.0)
    spread = 1.0 / tl.sqrt(tl.sum(x * x, 0) / width + epsilon)
    x = x * spread
    if KEEPS:
        tl.store(normal + at, x, mask=there)
        tl.store(inverse + row, spread)
    y = x * tl.load(weight + column, mask=there, other=0.0)
    y += tl.load(bias + column, mask=there, other=0.0)
    tl.store(wide + at, y, mask=there)
    if TWICE:
        tl.store(narrow + at, y.to(narrow.dtype.element_ty), mask=there)


@triton.jit
def norm_backward(
    d_wide, d_narrow, normal, inverse, weight, bits, d_residual, d_update,
    width, threshold, scale,
    WIDE: tl.constexpr, NARROW: tl.constexpr, DROPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of `norm_forward`'s update and residual, one row a program."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    there = column < width
    at = row * width + column
    g = tl.zeros((BLOCK,), tl.float32)
    if WIDE:
        g += tl.load(d_wide + at, mask=there, other=0.0)
    if NARROW:
        g += tl.load(d_narrow + at, mask=there, other=0.0).to(tl.float32)
    g = g * tl.load(weight + column, mask=there, other=0.0)
    x = tl.load(normal + at, mask=there, other=0.0)
    g = g - tl.sum(g, 0) / width - x * (tl.sum(g * x, 0) / width)
    g = g * tl.load(inverse + row)
    tl.store(d_residual + at, g, mask=there)
    if DROPS:
        g = tl.where(_kept(tl.load(bits + at, mask=there, other=0), threshold), g * scale, 0.0)
    tl.store(d_update + at, g.to(d_update.dtype.element_ty), mask=there)


@triton.jit
def _example(ends, example, FIRST: tl.constexpr):
    """Where an example's rows begin and how many there are; the same of those that ask."""
    begin = tl.load(ends + example).to(tl.int64)
    length = tl.load(ends + example + 1).to(tl.int64) - begin
    if FIRST:
        return begin, length, example.to(tl.int64), length * 0 + 1
    return begin, length, begin, length


@triton.jit
def _probabilities(query, key, length, factor, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    scores = _dot(query, tl.trans(key), WIDE) * factor
    scores = tl.where(tl.arange(0, BLOCK)[None, :] < length, scores, float("-inf"))
    scores = tl.exp(scores - tl.max(scores, 1)[:, None])
    return scores / tl.sum(scores, 1)[:, None]


@triton.jit
def attend_forward(
    q, k, v, out, ends, squares, bits, q_stride, kv_stride, out_stride,
    heads, factor, threshold, scale,
    FIRST: tl.constexpr, DROPS: tl.constexpr, WIDE: tl.constexpr,
    DIM: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One head of one example a program."""
    example, head = tl.program_id(0), tl.program_id(1)
    begin, length, row, asked = _example(ends, example, FIRST)
    i, j, d = tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK), tl.arange(0, BLOCK_D)
    of_q = (i < asked)[:, None] & (d < DIM)[None, :]
    of_k = (j < length)[:, None] & (d < DIM)[None, :]
    column = head * DIM + d[None, :]
    query = tl.load(q + (row + i)[:, None] * q_stride + column, mask=of_q, other=0.0)
    key = tl.load(k + (begin + j)[:, None] * kv_stride + column, mask=of_k, other=0.0)
    value = tl.load(v + (begin + j)[:, None] * kv_stride + column, mask=of_k, other=0.0)
    p = _probabilities(query, key, length, factor, BLOCK, WIDE)
    if DROPS:
        at = heads * tl.load(squares + example) + head * length * length
        at = at + i[:, None] * length + j[None, :]
        inside = (i < asked)[:, None] & (j < length)[None, :]
        kept = _kept(tl.load(bits + at, mask=inside, other=0), threshold)
        p = tl.where(kept, p * scale, 0.0)
    context = _dot(p.to(value.dtype), value, WIDE)
    at = out + (row + i)[:, None] * out_stride + column
    tl.store(at, context.to(out.dtype.element_ty), mask=of_q)


@triton.jit
def attend_backward(
    q, k, v, d_out, d_q, d_k, d_v, ends, squares, bits, q_stride, kv_stride, out_stride,
    heads, factor, threshold, scale,
    FIRST: tl.constexpr, DROPS: tl.constexpr, WIDE: tl.constexpr,
    DIM: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of `attend_forward`'s inputs, whose probabilities are computed again."""
    example, head = tl.program_id(0), tl.program_id(1)
    begin, length, row, asked = _example(ends, example, FIRST)
    i, j, d = tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK), tl.arange(0, BLOCK_D)
    of_q = (i < asked)[:, None] & (d < DIM)[None, :]
    of_k = (j < length)[:, None] & (d < DIM)[None, :]
    column = head * DIM + d[None, :]
    asks, asked_of = (row + i)[:, None] * q_stride + column, (begin + j)[:, None] * kv_stride
    query = tl.load(q + asks, mask=of_q, other=0.0)
    key = tl.load(k + asked_of + column, mask=of_k, other=0.0)
    value = tl.load(v + asked_of + column, mask=of_k, other=0.0)
    at = d_out + (row + i)[:, None] * out_stride + column
    d_context = tl.load(at, mask=of_q, other=0.0)
    p = _probabilities(query, key, length, factor, BLOCK, WIDE)
    d_p = _dot(d_context, tl.trans(value), WIDE)
    left = p
    if DROPS:
        at = heads * tl.load(squares + example) + head * length * length
        at = at + i[:, None] * length + j[None, :]
        inside = (i < asked)[:, None] & (j < length)[None, :]
        kept = _kept(tl.load(bits + at, mask=inside, other=0), threshold)
        left = tl.where(kept, p * scale, 0.0)
        d_p = tl.where(kept, d_p * scale, 0.0)
    d_value = _dot(tl.trans(left.to(value.dtype)), d_context, WIDE)
    d_s = p * (d_p - tl.sum(d_p * p, 1)[:, None]) * factor
    d_s = tl.where((i < asked)[:, None], d_s, 0.0).to(value.dtype)
    d_query = _dot(d_s, key, WIDE)
    d_key = _dot(tl.trans(d_s), query, WIDE)
    tl.store(d_q + asks, d_query.to(d_q.dtype.element_ty), mask=of_q)
    tl.store(d_k + asked_of + column, d_key.to(d_k.dtype.element_ty), mask=of_k)
    tl.store(d_v + asked_of + column, d_value.to(d_v.dtype.element_ty), mask=of_k)


@triton.jit
def _rows_of(begin, slots):
    """Of run program_id(1): its slot, where its rows begin, and how many there are."""
    run = tl.program_id(1)
    row = tl.load(begin + run).to(tl.int64)
    count = tl.load(begin + run + 1).to(tl.int64) - row
    return tl.load(slots + run).to(tl.int64), row, count


@triton.jit
def _load_kept(
    x, bits, rows, column, there, stride, width, threshold, scale, DROPS: tl.constexpr
):  # fmt: skip
    value = tl.load(x + rows * stride + column, mask=there, other=0.0)
    if DROPS:
        drawn = tl.load(bits + rows * width + column, mask=there, other=0)
        wide = value.to(tl.float32) * scale
        value = tl.where(_kept(drawn, threshold), wide, 0.0).to(value.dtype)
    return value


@triton.jit
def lora_forward(
    x, bits, a, b, y, low, begin, slots, rank, x_stride, y_stride,
    threshold, scale, scaling,
    INNER: tl.constexpr, OUTER: tl.constexpr, DROPS: tl.constexpr, WIDE: tl.constexpr,
    ROWS: tl.constexpr, RANK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """y += scaling B A dropout(x) over some rows of one run; A dropout(x) is kept in `low`."""
    slot, row, count = _rows_of(begin, slots)
    first = tl.program_id(0) * ROWS
    if first < count:
        line = first + tl.arange(0, ROWS)
        of_run = (line < count)[:, None]
        rows = (row + line)[:, None]
        r = tl.arange(0, RANK)
        total = tl.zeros((ROWS, RANK), tl.float32)
        for k in range(0, INNER, BLOCK):
            column = k + tl.arange(0, BLOCK)
            value = _load_kept(
                x, bits, rows, column[None, :], of_run & (column < INNER)[None, :],
                x_stride, INNER, threshold, scale, DROPS,
            )  # fmt: skip
            at = a + slot * rank * INNER + r[None, :] * INNER + column[:, None]
            weight = tl.load(at, mask=(column < INNER)[:, None] & (r < rank)[None, :], other=0.0)
            total += _dot(value, weight.to(value.dtype), WIDE)
        narrow = total.to(low.dtype.element_ty)
        tl.store(low + rows * RANK + r[None, :], narrow, mask=of_run)
        for n in range(0, OUTER, BLOCK):
            column = n + tl.arange(0, BLOCK)
            at = b + slot * OUTER * rank + column[None, :] * rank + r[:, None]
            weight = tl.load(at, mask=(column < OUTER)[None, :] & (r < rank)[:, None], other=0.0)
            high = _dot(narrow, weight.to(narrow.dtype), WIDE) * scaling
            there = of_run & (column < OUTER)[None, :]
            at = y + rows * y_stride + column[None, :]
            high += tl.load(at, mask=there, other=0.0).to(tl.float32)
            tl.store(at, high.to(y.dtype.element_ty), mask=there)


@triton.jit
def lora_backward_rows(
    d_y, bits, a, b, d_x, d_low, begin, slots, rank, y_stride, x_stride,
    threshold, scale, scaling,
    INNER: tl.constexpr, OUTER: tl.constexpr, DROPS: tl.constexpr, BELOW: tl.constexpr,
    WIDE: tl.constexpr, ROWS: tl.constexpr, RANK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`d_low`, and what the update adds to d_x, over some rows of one run."""
    slot, row, count = _rows_of(begin, slots)
    first = tl.program_id(0) * ROWS
    if first < count:
        line = first + tl.arange(0, ROWS)
        of_run = (line < count)[:, None]
        rows = (row + line)[:, None]
        r = tl.arange(0, RANK)
        total = tl.zeros((ROWS, RANK), tl.float32)
        for n in range(0, OUTER, BLOCK):
            column = n + tl.arange(0, BLOCK)
            there = of_run & (column < OUTER)[None, :]
            gradient = tl.load(d_y + rows * y_stride + column[None, :], mask=there, other=0.0)
            at = b + slot * OUTER * rank + column[:, None] * rank + r[None, :]
            weight = tl.load(at, mask=(column < OUTER)[:, None] & (r < rank)[None, :], other=0.0)
            total += _dot(gradient, weight.to(gradient.dtype), WIDE)
        narrow = (total * scaling).to(d_low.dtype.element_ty)
        tl.store(d_low + rows * RANK + r[None, :], narrow, mask=of_run)
        if BELOW:
            for k in range(0, INNER, BLOCK):
                column = k + tl.arange(0, BLOCK)
                at = a + slot * rank * INNER + r[:, None] * INNER + column[None, :]
                weight = tl.load(
                    at, mask=(column < INNER)[None, :] & (r < rank)[:, None], other=0.0
                )
                more = _dot(narrow, weight.to(narrow.dtype), WIDE)
                there = of_run & (column < INNER)[None, :]
                if DROPS:
                    at = bits + rows * INNER + column[None, :]
                    drawn = tl.load(at, mask=there, other=0)
                    more = tl.where(_kept(drawn, threshold), more * scale, 0.0)
                at = d_x + rows * x_stride + column[None, :]
                more += tl.load(at, mask=there, other=0.0).to(tl.float32)
                tl.store(at, more.to(d_x.dtype.element_ty), mask=there)


@triton.jit
def lora_backward_weights(
    x, bits, d_y, low, d_low, d_a, d_b, begin, slots, rank, x_stride, y_stride,
    threshold, scale, scaling,
    INNER: tl.constexpr, OUTER: tl.constexpr, DROPS: tl.constexpr, WIDE: tl.constexpr,
    ROWS: tl.constexpr, RANK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Adds to the gradients of some columns of one run's A, or of its B: program_id(2) says."""
    slot, row, count = _rows_of(begin, slots)
    r = tl.arange(0, RANK)
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((RANK, BLOCK), tl.float32)
    if tl.program_id(2) == 0:
        first = 0
        while first < count:
            line = first + tl.arange(0, ROWS)
            of_run, rows = (line < count)[:, None], (row + line)[:, None]
            value = _load_kept(
                x, bits, rows, column[None, :], of_run & (column < INNER)[None, :],
                x_stride, INNER, threshold, scale, DROPS,
            )  # fmt: skip
            gradient = tl.load(d_low + rows * RANK + r[None, :], mask=of_run, other=0.0)
            total += _dot(tl.trans(gradient), value, WIDE)
            first += ROWS
        at = d_a + slot * rank * INNER + r[:, None] * INNER + column[None, :]
        there = (r < rank)[:, None] & (column < INNER)[None, :]
        tl.store(at, tl.load(at, mask=there, other=0.0) + total, mask=there)
    else:
        first = 0
        while first < count:
            line = first + tl.arange(0, ROWS)
            of_run, rows = (line < count)[:, None], (row + line)[:, None]
            there = of_run & (column < OUTER)[None, :]
            gradient = tl.load(d_y + rows * y_stride + column[None, :], mask=there, other=0.0)
            value = tl.load(low + rows * RANK + r[None, :], mask=of_run, other=0.0)
            total += _dot(tl.trans(value), gradient, WIDE)
            first += ROWS
        at = d_b + slot * OUTER * rank + column[None, :] * rank + r[:, None]
        there = (r < rank)[:, None] & (column < OUTER)[None, :]
        tl.store(at, tl.load(at, mask=there, other=0.0) + total * scaling, mask=there)
