// A whole layer in bfloat16, forward and backward, out of the kernels (see kernels.cpp).
//
// What one pass computes is what the single kernels do when Python calls them one by one; what is
// saved is all that lies between them.

struct Area {  // cuts an area of memory into parts; without one, only counts
    char *base;
    int64_t bytes;
    template <class T> T *cut(int64_t count) {
        T *part = base ? (T *)(base + bytes) : nullptr;
        bytes += (count * sizeof(T) + 63) / 64 * 64;
        return part;
    }
};

static int64_t ranks_of(const Lora &lora) { return (lora.r + 7) / 8 * 8; }

// What the backward pass needs of the forward pass, beside the layer's input.
struct Kept {
    bf16 *asked = nullptr, *query = nullptr, *mixed, *context = nullptr, *middle = nullptr;
    bf16 *raised = nullptr, *slope = nullptr;
    float *probabilities = nullptr, *normals[2] = {}, *inverses[2] = {}, *lows[5];
    int64_t bytes;

    Kept(const Layer &l, char *base) {
        Area area = {base, 0};
        const int64_t hidden = l.out.out;
        if (l.first) {
            asked = area.cut<bf16>(l.last * hidden);
            query = area.cut<bf16>(l.last * hidden);
        }
        mixed = area.cut<bf16>(l.rows * l.mixed.out);
        if (l.backward || l.out.count) context = area.cut<bf16>(l.last * hidden);
        if (l.up.count) middle = area.cut<bf16>(l.last * hidden);
        if (l.down.count) raised = area.cut<bf16>(l.last * l.up.out);
        const Product *products[5] = {&l.query, &l.mixed, &l.out, &l.up, &l.down};
        for (int i = 0; i < 5; i++) {
            int64_t ranks = 0;
            for (int64_t u = 0; u < products[i]->count; u++)
                ranks += ranks_of(products[i]->updates[u].lora);
            lows[i] = area.cut<float>((i == 1 ? l.rows : l.last) * ranks);
        }
        if (l.backward) {
            const int64_t e = l.attention.examples;
            probabilities = area.cut<float>(l.attention.area[e]);
            slope = area.cut<bf16>(l.last * l.up.out);
            for (int i = 0; i < 2; i++) {
                normals[i] = area.cut<float>(l.last * hidden);
                inverses[i] = area.cut<float>(l.last);
            }
        }
        bytes = area.bytes;
    }
};

static int project(const Product &p, int64_t rows, const bf16 *x, bf16 *y, bf16 *slope, int kind,
                   float *lows) {
    int failed = product_bf16(rows, p.in, p.out, x, p.in, p.ahead, p.bias, y, slope, kind);
    for (int64_t i = 0; i < p.count; i++) {
        const Update &u = p.updates[i];
        failed |= lora_forward_bf16(&u.lora, x, y + u.column, lows);
        lows += rows * ranks_of(u.lora);
    }
    return failed;
}

// d_x, or null, from d_y; slope, or null, is what d_x is multiplied with
static int back(const Product &p, int64_t rows, const bf16 *x, const bf16 *d_y, bf16 *d_x,
                bf16 *slope, const float *lows) {
    const int kind = slope && !p.count ? TIMES : BIASED;
    int failed = 0;
    if (d_x) failed = product_bf16(rows, p.out, p.in, d_y, p.out, p.back, nullptr, d_x, slope, kind);
    for (int64_t i = 0; i < p.count; i++) {
        const Update &u = p.updates[i];
        failed |= lora_backward_bf16(&u.lora, x, d_y + u.column, lows, d_x, u.d_a, u.d_b);
        lows += rows * ranks_of(u.lora);
    }
    if (slope && p.count) times_bf16(rows * p.in, d_x, slope);
    return failed;
}

static int forward(const Layer &l, const float *wide, const bf16 *narrow, float *wide_out,
                   bf16 *narrow_out) {
    const Kept kept(l, l.kept);
    Area area = {l.meanwhile, 0};
    const int64_t hidden = l.out.out, last = l.last;
    bf16 *update = area.cut<bf16>(last * hidden);
    float *between = area.cut<float>(last * hidden);
    bf16 *context = kept.context ? kept.context : area.cut<bf16>(last * hidden);
    bf16 *middle = kept.middle ? kept.middle : area.cut<bf16>(last * hidden);
    bf16 *raised = kept.raised ? kept.raised : area.cut<bf16>(last * l.up.out);
    int failed = 0;

    const bf16 *query = kept.mixed, *key = query + hidden;
    if (l.first) {
        float *residual = area.cut<float>(last * hidden);
        for (int64_t e = 0; e < last; e++) {
            memcpy(residual + e * hidden, wide + l.first[e] * hidden, hidden * sizeof(float));
            memcpy(kept.asked + e * hidden, narrow + l.first[e] * hidden, hidden * sizeof(bf16));
        }
        wide = residual;
        failed |= project(l.query, last, kept.asked, kept.query, nullptr, BIASED, kept.lows[0]);
        query = kept.query, key = kept.mixed;
    }
    failed |= project(l.mixed, l.rows, narrow, kept.mixed, nullptr, BIASED, kept.lows[1]);
    failed |= attend_forward_bf16(&l.attention, query, key, key + hidden, context,
                                  kept.probabilities);
    if (!l.first) memset(context + l.tokens * hidden, 0, (last - l.tokens) * hidden * sizeof(bf16));
    failed |= project(l.out, last, context, update, nullptr, BIASED, kept.lows[2]);
    failed |= norm_forward_bf16(last, hidden, update, l.middle.drop.bits, l.middle.drop.threshold,
                                l.middle.drop.scale, wide, l.middle.gamma, l.middle.beta,
                                l.middle.epsilon, between, middle, kept.normals[0],
                                kept.inverses[0]);

    const int kind = l.up.count ? BIASED : l.backward ? STEEP : CURVED;
    failed |= project(l.up, last, middle, raised, kept.slope, kind, kept.lows[3]);
    if (l.up.count) failed |= gelu_bf16(last * l.up.out, raised, raised, kept.slope);
    failed |= project(l.down, last, raised, update, nullptr, BIASED, kept.lows[4]);
    return failed | norm_forward_bf16(last, hidden, update, l.end.drop.bits, l.end.drop.threshold,
                                      l.end.drop.scale, between, l.end.gamma, l.end.beta,
                                      l.end.epsilon, wide_out, narrow_out, kept.normals[1],
                                      kept.inverses[1]);
}

// `d_out` and `d_narrow` are the result's, either may be null; `d_wide` and `d_x` the input's,
// written unless the layer is the lowest.
static int backward(const Layer &l, const bf16 *narrow, const float *d_out, const bf16 *d_narrow,
                    float *d_wide, bf16 *d_x) {
    const Kept kept(l, l.kept);
    Area area = {l.meanwhile, 0};
    const int64_t hidden = l.out.out, last = l.last;
    bf16 *d_update = area.cut<bf16>(last * hidden), *d_middle = area.cut<bf16>(last * hidden);
    float *d_between = area.cut<float>(last * hidden);
    bf16 *d_raised = area.cut<bf16>(last * l.up.out);
    bf16 *d_mixed = area.cut<bf16>(l.rows * l.mixed.out);
    float *d_residual = l.first || l.lowest ? area.cut<float>(last * hidden) : d_wide;

    int failed = norm_backward_bf16(last, hidden, d_out, d_narrow, kept.normals[1],
                                    kept.inverses[1], l.end.gamma, l.end.drop.bits,
                                    l.end.drop.threshold, l.end.drop.scale, d_between, d_update);
    failed |= back(l.down, last, kept.raised, d_update, d_raised, kept.slope, kept.lows[4]);
    failed |= back(l.up, last, kept.middle, d_raised, d_middle, nullptr, kept.lows[3]);
    failed |= norm_backward_bf16(last, hidden, d_between, d_middle, kept.normals[0],
                                 kept.inverses[0], l.middle.gamma, l.middle.drop.bits,
                                 l.middle.drop.threshold, l.middle.drop.scale, d_residual,
                                 d_update);
    bf16 *d_context = d_middle;
    failed |= back(l.out, last, kept.context, d_update, d_context, nullptr, kept.lows[2]);

    const bf16 *query = kept.mixed, *key = query + hidden;
    bf16 *d_query = d_mixed, *d_key = d_query + hidden;
    if (l.first) {
        query = kept.query, key = kept.mixed;
        d_query = area.cut<bf16>(last * hidden), d_key = d_mixed;
    }
    memset(d_mixed + l.tokens * l.mixed.out, 0,
           (l.rows - l.tokens) * l.mixed.out * sizeof(bf16));
    failed |= attend_backward_bf16(&l.attention, query, key, key + hidden, kept.probabilities,
                                   d_context, d_query, d_key, d_key + hidden);
    failed |= back(l.mixed, l.rows, narrow, d_mixed, l.lowest ? nullptr : d_x, nullptr,
                   kept.lows[1]);
    if (!l.first) return failed;
    bf16 *d_asked = l.lowest ? nullptr : d_update;
    failed |= back(l.query, last, kept.asked, d_query, d_asked, nullptr, kept.lows[0]);
    if (l.lowest) return failed;
    memset(d_wide, 0, l.rows * hidden * sizeof(float));
    for (int64_t e = 0; e < last; e++) {
        memcpy(d_wide + l.first[e] * hidden, d_residual + e * hidden, hidden * sizeof(float));
        add_bf16(hidden, d_x + l.first[e] * hidden, d_asked + e * hidden);
    }
    return failed;
}

// Bytes that either pass takes beside what is kept.
static int64_t meanwhile(const Layer &l) {
    Area area = {nullptr, 0};
    area.cut<bf16>(4 * l.last * l.out.out);
    area.cut<float>(2 * l.last * l.out.out);
    area.cut<bf16>(l.last * l.up.out);
    if (l.backward) area.cut<bf16>(l.rows * l.mixed.out);
    return area.bytes + 8 * 64;
}
