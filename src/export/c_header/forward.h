/* One output of a 2x2 max-pool: the largest of four outputs of 5x5 filter f, each after ReLU and batch norm.
 * patch: [channels][6][6], the inputs of these four. */
static inline float lenet_pooled(const float *patch, int channels, int f, const float *weight, const float *bias,
                                 const float *scale, const float *shift)
{
    float largest = 0.0f;
    for (int position = 0; position < 4; position++) {
        const float *x = patch + position / 2 * 6 + position % 2;
        const float *w = weight + f * channels * 25;
        float y = bias[f];
        for (int channel = 0; channel < channels; channel++, x += 36, w += 25)
            for (int row = 0; row < 5; row++)
                for (int column = 0; column < 5; column++)
                    y += x[row * 6 + column] * w[row * 5 + column];
        if (y < 0.0f)
            y = 0.0f;
        if (scale)
            y = y * scale[f] + shift[f];
        if (position == 0 || y > largest)
            largest = y;
    }
    return largest;
}

/* y[outputs] = weight[outputs][inputs] x[inputs] + bias[outputs] */
static inline void lenet_dense(const float *x, int inputs, const float *weight, const float *bias, int outputs,
                               float *y)
{
    for (int o = 0; o < outputs; o++) {
        y[o] = bias[o];
        for (int i = 0; i < inputs; i++)
            y[o] += x[i] * weight[o * inputs + i];
    }
}

/* Activation and batch norm after fc1 and fc2. */
static inline void lenet_finish(float *values, int count, const float *scale, const float *shift)
{
    lenet_activate(values, count);
    if (scale)
        for (int i = 0; i < count; i++)
            values[i] = values[i] * scale[i] + shift[i];
}

/* Fills logits[LENET_CLASSES] and returns the class of the largest.
 * image: [LENET_CHANNELS][LENET_HEIGHT][LENET_WIDTH]. */
static inline int lenet_predict(const lenet_input *image, float *logits)
{
    float patch[6 * 6 * 6], pool1[6 * 14 * 14], pool2[16 * 5 * 5], fc1[120], fc2[84];

    for (int row = 0; row < 14; row++)
        for (int column = 0; column < 14; column++) {
            float *to = patch;
            for (int channel = 0; channel < LENET_CHANNELS; channel++)
                for (int i = 0; i < 36; i++)
                    *to++ = lenet_pixel(image, channel, 2 * row + i / 6, 2 * column + i % 6);
            for (int f = 0; f < 6; f++)
                pool1[(f * 14 + row) * 14 + column] =
                    lenet_pooled(patch, LENET_CHANNELS, f, lenet_conv1_weight, lenet_conv1_bias, LENET_NORM(bn1));
        }

    for (int row = 0; row < 5; row++)
        for (int column = 0; column < 5; column++) {
            float *to = patch;
            for (int channel = 0; channel < 6; channel++)
                for (int i = 0; i < 36; i++)
                    *to++ = pool1[(channel * 14 + 2 * row + i / 6) * 14 + 2 * column + i % 6];
            for (int f = 0; f < 16; f++)
                pool2[(f * 5 + row) * 5 + column] =
                    lenet_pooled(patch, 6, f, lenet_conv2_weight, lenet_conv2_bias, LENET_NORM(bn2));
        }

    lenet_dense(pool2, 400, lenet_fc1_weight, lenet_fc1_bias, 120, fc1);
    lenet_finish(fc1, 120, LENET_NORM(bn3));
    lenet_dense(fc1, 120, lenet_fc2_weight, lenet_fc2_bias, 84, fc2);
    lenet_finish(fc2, 84, LENET_NORM(bn4));
    lenet_dense(fc2, 84, lenet_fc3_weight, lenet_fc3_bias, LENET_CLASSES, logits);

    int best = 0;
    for (int label = 1; label < LENET_CLASSES; label++)
        if (logits[label] > logits[best])
            best = label;
    return best;
}
