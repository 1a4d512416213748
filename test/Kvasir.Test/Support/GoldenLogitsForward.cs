using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Models;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Support;

/// <summary>
/// A forward pass as plain as it can be: stored weights and their products are the engine's, everything between is double
/// precision loops. Where it agrees with the golden logits, reading of files and matrix products are right, whatever the engine does.
/// </summary>
public sealed class GoldenLogitsForward(ModelConfig config, Weights weights)
{
    /// <summary>Logits after each token of one sequence, [position][vocabulary].</summary>
    public float[][] Logits(int[] tokens) => [.. Hidden(tokens).Select(row => Capped(Multiply(weights.Output, row, null)))];

    /// <summary>Hidden states behind the last norm, [position][width].</summary>
    public float[][] Hidden(int[] tokens)
    {
        var x = tokens.Select(Embed).ToArray();
        for (var i = 0; i < x.Length; i++)
            x[i] = Placed(x[i], i);
        var turns = Turns(config.Rope, config.Rope.IsLong(tokens.Length) ? config.Rope.LongFrequencyFactors : config.Rope.FrequencyFactors);
        var windowed = config.WindowRope is { } rope ? Turns(rope, rope.FrequencyFactors) : turns;
        foreach (var (layer, shape) in weights.Layers.Zip(config.Layers))
        {
            float[][] read = [.. x.Select(row => Norm(row, layer.AttentionNorm))];
            var fed = shape.HasTwoNorms ? [.. x.Select(row => Norm(row, layer.FeedForwardNorm))] : read;
            Add(x, Attend(layer, shape, read, shape.SeesAll ? turns : windowed), layer.AttentionOutputNorm, shape.ResidualScale);
            read = shape.IsParallel ? fed : [.. x.Select(row => Norm(row, layer.FeedForwardNorm))];
            Add(x, [.. read.Zip(x, (row, whole) => FeedForward(layer, shape, row, whole))], layer.FeedForwardOutputNorm, shape.ResidualScale);
            x = [.. x.Select(row => Scaled(row, layer.Scale))];
        }
        return [.. x.Select(row => Norm(row, weights.OutputNorm))];
    }

    private float[] Capped(float[] logits) => config.LogitCap is { } cap ? [.. logits.Select(logit => (float)(cap * Math.Tanh(logit / cap)))] : logits;

    private float[] Embed(int token)
    {
        var row = new float[config.Width];
        WeightRow.Decode(weights.Embedding.Type, weights.Embedding.Row(token), row);
        return [.. row.Select(value => value * config.EmbeddingScale)];
    }

    private float[] Placed(float[] x, int position)
    {
        if (weights.Positions is not { } positions)
            return x;
        var row = new float[config.Width];
        WeightRow.Decode(positions.Type, positions.Row(position), row);
        return [.. x.Zip(row, static (a, b) => a + b)];
    }

    // Angle per position of each pair, from the definitions of the scalings.
    private static (double[] Angles, double Size) Turns(RopeConfig rope, float[]? factors) => (Angles(rope, factors), rope.AttentionFactor);

    private static double[] Angles(RopeConfig rope, float[]? factors)
    {
        var angles = new double[rope.Dim / 2];
        for (var i = 0; i < angles.Length; i++)
        {
            var plain = Math.Pow(rope.Base, -2.0 * i / rope.Dim);
            angles[i] = (rope.Scaling switch
            {
                RopeScaling.Linear => plain / rope.Factor,
                RopeScaling.Llama3 => Llama3(rope, plain),
                RopeScaling.Yarn => Yarn(rope, plain, i),
                _ => plain,
            }) / (factors?[i] ?? 1f);
        }
        return angles;
    }

    private static double Llama3(RopeConfig rope, double plain)
    {
        var turns = rope.OriginalContextTokens * plain / (2 * Math.PI);
        var kept = Math.Clamp((turns - rope.LowFreqFactor) / (rope.HighFreqFactor - rope.LowFreqFactor), 0, 1);
        return (kept * plain) + ((1 - kept) * plain / rope.Factor);
    }

    private static double Yarn(RopeConfig rope, double plain, int pair)
    {
        double PairOf(double turns) => rope.Dim * Math.Log(rope.OriginalContextTokens / (turns * 2 * Math.PI)) / (2 * Math.Log(rope.Base));
        double Whole(double end, Func<double, double> rounded) => rope.HasWholeRamp ? rounded(end) : end;
        var first = Math.Max(Whole(PairOf(rope.BetaFast), Math.Floor), 0);
        var last = Math.Min(Whole(PairOf(rope.BetaSlow), Math.Ceiling), rope.Dim - 1);
        var stretched = Math.Clamp((pair - first) / Math.Max(last - first, 0.001), 0, 1);
        return (stretched * plain / rope.Factor) + ((1 - stretched) * plain);
    }

    private float[][] Attend(LayerWeights layer, LayerShape shape, float[][] x, (double[] Angles, double Size) turns)
    {
        var q = x.Select((row, i) => Grown(Rotate(Multiply(layer.Query, row, layer.QueryBias), layer.QueryNorm, shape, i, turns), i)).ToArray();
        var k = x.Select((row, i) => Rotate(Multiply(layer.Key, row, layer.KeyBias), layer.KeyNorm, shape, i, turns)).ToArray();
        var v = x.Select(row => NormedValues(shape, Multiply(shape.ValuesAreKeys ? layer.Key : layer.Value, row, layer.ValueBias))).ToArray();
        var sizes = config.HeadsOf(shape);
        var window = shape.SeesAll ? x.Length : config.SlidingWindowTokens ?? x.Length;
        var y = new float[x.Length][];
        for (var i = 0; i < x.Length; i++)
        {
            var joined = new float[config.HeadCount * sizes.Dim];
            for (var head = 0; head < config.HeadCount; head++)
                AttendHead(q[i], (k, v), (head, sizes, layer.Sinks?[head]), (Math.Max(0, i - window + 1), i), joined);
            y[i] = Multiply(layer.Output, joined, layer.OutputBias);
        }
        return y;
    }

    private float[] Grown(float[] query, int position) => config.QueryTemperature is { } growth
        ? [.. query.Select(value => (float)(value * (1 + (growth.Slope * Math.Log(1 + (position / growth.Tokens))))))]
        : query;

    private float[] NormedValues(LayerShape shape, float[] values)
    {
        var dim = config.HeadsOf(shape).Dim;
        return shape.NormsValues ? [.. values.Chunk(dim).SelectMany(head => Norm(head, [.. Enumerable.Repeat(1f, dim)]))] : values;
    }

    private void AttendHead(
        float[] q, (float[][] Keys, float[][] Values) rows, (int Index, HeadSizes Sizes, float? Sink) of, (int First, int Last) seen, float[] joined)
    {
        var ((k, v), dim, head) = (rows, of.Sizes.Dim, of.Index);
        var shared = head / (config.HeadCount / of.Sizes.KvHeadCount) * dim;
        var scores = new double[seen.Last - seen.First + 1];
        for (var j = 0; j < scores.Length; j++)
        {
            for (var d = 0; d < dim; d++)
                scores[j] += (double)q[(head * dim) + d] * k[seen.First + j][shared + d];
            scores[j] *= config.ScoreScale ?? (1 / Math.Sqrt(dim));
            if (config.ScoreCap is { } cap)
                scores[j] = cap * Math.Tanh(scores[j] / cap);
        }
        var most = scores.Max();
        var total = scores.Sum(s => Math.Exp(s - most)) + (of.Sink is { } sink ? Math.Exp(sink - most) : 0);
        for (var d = 0; d < dim; d++)
        {
            var sum = 0.0;
            for (var j = 0; j < scores.Length; j++)
                sum += Math.Exp(scores[j] - most) * v[seen.First + j][shared + d];
            joined[(head * dim) + d] = (float)(sum / total);
        }
    }

    private float[] Rotate(float[] rows, float[]? norm, LayerShape shape, int position, (double[] Angles, double Size) turns)
    {
        var (dim, angles) = (config.HeadsOf(shape).Dim, turns.Angles);
        if (shape.QkNorm == QkNorm.Row)
            rows = Norm(rows, norm);
        for (var first = 0; first < rows.Length; first += dim)
        {
            if (shape.QkNorm is QkNorm.Heads or QkNorm.OwnHeads)
                Norm(rows[first..(first + dim)], shape.QkNorm == QkNorm.Heads ? norm : norm![first..(first + dim)]).CopyTo(rows, first);
            for (var i = 0; i < angles.Length && shape.Rotates; i++)
            {
                var (a, b) = config.Rope.Order == RopeOrder.Interleaved ? (2 * i, (2 * i) + 1) : (i, i + angles.Length);
                var (cos, sin) = (Math.Cos(position * angles[i]) * turns.Size, Math.Sin(position * angles[i]) * turns.Size);
                var (xa, xb) = (rows[first + a], rows[first + b]);
                rows[first + a] = (float)((xa * cos) - (xb * sin));
                rows[first + b] = (float)((xa * sin) + (xb * cos));
            }
            if (shape.QkNorm == QkNorm.RotatedHeads)
                Norm(rows[first..(first + dim)], norm).CopyTo(rows, first);
        }
        return rows;
    }

    private float[] FeedForward(LayerWeights layer, LayerShape shape, float[] x, float[] whole)
    {
        var sum = shape.HasDenseFeedForward ? FeedForward(layer, x) : new float[config.Width];
        if (layer.Experts is not { } weights || shape.Experts is not { } experts)
            return sum;
        if (weights.Norms is not { } norms)
            return [.. sum.Zip(OfExperts(weights, experts, x, x), static (s, e) => s + e)];
        var given = Norm(OfExperts(weights, experts, Norm(whole, norms.Router), Norm(whole, norms.Input)), norms.Output);
        return [.. Norm(sum, norms.Shared).Zip(given, static (s, e) => s + e)];
    }

    private float[] OfExperts(ExpertWeights weights, ExpertShape experts, float[] routed, float[] x)
    {
        var sum = new float[config.Width];
        var says = Multiply(weights.Router, routed, weights.RouterBias);
        // OrderBy keeps equal ones in their order.
        int[] chosen = [.. Enumerable.Range(0, experts.Count).OrderByDescending(expert => says[expert]).Take(experts.Used)];
        var total = (experts.Router == RouterKind.OfAll ? says : [.. chosen.Select(expert => says[expert])]).Sum(s => Math.Exp(s - says[chosen[0]]));
        foreach (var expert in chosen)
        {
            var share = experts.Scale * (weights.OutputScales?[expert] ?? 1) * Math.Exp(says[expert] - says[chosen[0]]) / total;
            var (wide, all) = (experts.Width, config.Width);
            var gate = Multiply(weights.Gate[expert], x, weights.GateBias?[(expert * wide)..((expert + 1) * wide)]);
            var up = Multiply(weights.Up[expert], x, weights.UpBias?[(expert * wide)..((expert + 1) * wide)]);
            var given = Multiply(
                weights.Down[expert], [.. gate.Zip(up, (g, u) => (float)Gated(g, u))], weights.DownBias?[(expert * all)..((expert + 1) * all)]);
            sum = [.. sum.Zip(given, (s, g) => (float)(s + (share * g)))];
        }
        return sum;
    }

    private float[] FeedForward(LayerWeights weights, float[] x)
    {
        var up = Multiply(weights.Up, x, weights.UpBias);
        if (!config.HasGate)
            return Multiply(weights.Down, [.. up.Select(u => (float)Ungated(u))], weights.DownBias);
        var gate = Multiply(weights.Gate, x, null);
        return Multiply(weights.Down, [.. gate.Zip(up, (g, u) => (float)Gated(g, u))], null);
    }

    private double Gated(double gate, double up)
    {
        if (config.Gate != GateKind.ClampedSilu)
            return Gated(gate) * up;
        gate = Math.Min(gate, 7);
        return gate / (1 + Math.Exp(-1.702 * gate)) * (Math.Clamp(up, -7, 7) + 1);
    }

    // The error function by its series.
    private double Ungated(double x)
    {
        if (config.Gate == GateKind.PlainRelu)
            return Math.Max(x, 0);
        var z = x / Math.Sqrt(2);
        var (term, sum) = (z, z);
        for (var n = 1; n < 300 && Math.Abs(z) < 6; n++)
        {
            term *= -z * z / n;
            sum += term / ((2 * n) + 1);
        }
        return x / 2 * (1 + (Math.Abs(z) < 6 ? 2 / Math.Sqrt(Math.PI) * sum : Math.Sign(z)));
    }

    private double Gated(double x) => config.Gate == GateKind.GeluTanh
        ? 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))))
        : x / (1 + Math.Exp(-x));

    private static float[] Scaled(float[] x, float scale) => [.. x.Select(value => value * scale)];

    // A norm that a layer does not have changes nothing.
    private float[] Norm(float[] x, float[]? weight)
    {
        if (weight is null)
            return x;
        var mean = config.Norm != NormKind.RootMeanSquare ? x.Average(v => (double)v) : 0;
        var scale = 1 / Math.Sqrt((x.Sum(v => (v - mean) * (v - mean)) / x.Length) + config.NormEpsilon);
        return [.. x.Select((v, i) => (float)(((v - mean) * scale * weight[i]) + (weight.Length > x.Length ? weight[x.Length + i] : 0)))];
    }

    private static float[] Multiply(WeightMatrix matrix, float[] x, float[]? bias)
    {
        var kind = Activations.KindOf(matrix.Type);
        var prepared = new byte[Activations.RowBytes(kind, x.Length)];
        Activations.Prepare(kind, x, prepared);
        var y = new float[matrix.Rows];
        MatrixProduct.Multiply(matrix, 0, matrix.Rows, prepared, 1, y, matrix.Rows);
        for (var i = 0; i < bias?.Length; i++)
            y[i] += bias[i];
        return y;
    }

    private void Add(float[][] x, float[][] y, float[]? norm, float scale)
    {
        for (var i = 0; i < x.Length; i++)
        {
            var added = Norm(y[i], norm);
            for (var c = 0; c < x[i].Length; c++)
                x[i][c] += scale * added[c];
        }
    }
}
