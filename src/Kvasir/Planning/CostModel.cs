using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;
using Kvasir.Models;

namespace Kvasir.Planning;

/// <summary>
/// What a step takes, by what it multiplies, attends and reads: T = sum over layers of (matrices + attention + what of the reading nothing hides) + logits.
/// Rates are the machine's; how large everything is follows from the model and the policy.
/// </summary>
internal sealed class CostModel(ModelSizes model, MachineFigures machine, KvFormat format)
{
    /// <summary>Rows of a prompt that are computed together.</summary>
    public const int ChunkRows = 512;

    // Of a layer's attention, what can go on while pages are on their way; of the feed-forward layer before, what is foretold right.
    private const double LateShare = 0.6;
    private const double ForetoldShare = 0.85;
    private const double LinearAheadShare = 0.7;

    // Of rows that are copied as long as they are read, those that come back in a step: of a head of the bundled model, on text of 32k tokens.
    private const double RecalledRows = 0.3;

    // What comes is summed and copied twice: each about as fast as one core reads and writes.
    private const double CopyBytesPerSecond = 4e9;
    private const int ReferenceRows = 32_768;

    // What policies call the part of rows that they read.
    private static readonly string[] Shares = ["share", "most", "ratio"];
    private const int JoinedBytes = 128 << 10;
    private readonly KvPlaces _places = new(model.Config.Attention, format);
    private readonly AttentionShape _shape = model.Config.Attention;

    /// <summary>Bytes of a page.</summary>
    public int PageBytes => _places.Layout.Bytes;

    /// <summary>What a sequence has beside its pages while they are being written, over all heads.</summary>
    public long OpenBytes => _places.OpenBytes;

    private readonly KvWindows? _windows = Bounded(model.Config.Attention, format);

    /// <summary>Heads that have pages of their own.</summary>
    public int HeadCount => _places.ListCount;

    /// <summary>Pages of a sequence: layers with a window have no more than that takes.</summary>
    public long Pages(long rows)
    {
        var (pages, windowed) = ((rows + PagePool.PageTokens - 1) / PagePool.PageTokens, _windows?.HeadCount ?? 0);
        return ((HeadCount - windowed) * pages) + (windowed * Math.Min(pages, _windows?.MostPages ?? 0));
    }

    /// <summary>A decode step of a batch whose sequences all have so many rows.</summary>
    /// <param name="poolPages">Pages that memory has place for; null where it has place for all.</param>
    /// <param name="eviction">Which leave it first.</param>
    public StepPrediction Step(
        AttentionPolicy policy, int rows, int batch, double? poolPages, HitCurve hits, PageEviction eviction = PageEviction.Counted)
    {
        var (linear, logits) = (LayerSeconds(batch), Seconds([model.Output], batch));
        var other = machine.LayerMs / 1000 * model.Config.LayerCount;
        var layers = Layers(policy, rows, batch);
        var (attention, touched) = (layers.Sum(static layer => layer.Seconds), layers.Sum(static layer => layer.Pages));
        var step = new StepPrediction(linear + logits, attention, other, touched);
        if (poolPages is not { } pool || machine.Store is not { } store || Math.Min(Pages(rows), Kept(policy, rows)) * (double)batch is var all && all <= pool)
            return step;
        // Of a scan memory has its own share, less what is for pages that pass through.
        var kept = pool * (SlotOrder.PassingShare - 1) / SlotOrder.PassingShare;
        var hit = Math.Clamp(Math.Max(eviction == PageEviction.FlexGen ? 0 : hits.At(pool / touched), kept / all), 0, 1);
        var (exposed, ahead, bytes, missed) = (0.0, 0.0, 0.0, 0.0);
        // Where pages are chosen, they can be foretold while the layer before multiplies, by queries of its own and another ranking.
        var (foretelling, foretold) = (ForetellingSeconds(policy, rows, batch), ForetoldShare * LinearAheadShare * linear / layers.Length);
        foreach (var layer in layers)
        {
            var pages = eviction == PageEviction.Alisa ? batch * model.Config.KvHeadCount * RecalledRows : layer.Pages * (1 - hit);
            var (wait, cpu) = Reading(store, pages, layer.IsWhole);
            // A whole layer is read in order.
            var late = Math.Max(0, wait - (layer.IsWhole ? layer.Seconds : LateShare * layer.Seconds));
            var waking = pages >= 1 && !layer.IsWhole ? store.LayerUs / 1e6 : 0;
            exposed += late + cpu + waking;
            ahead += (layer.IsWhole ? late : Math.Max(0, late - foretold) + foretelling) + cpu + waking;
            (bytes, missed) = (bytes + (pages * StorePageBytes), missed + pages);
        }

        var readsAhead = Array.TrueForAll(layers, static layer => layer.IsWhole)
            || (ahead < exposed && missed >= AheadPace.LeastMissing * layers.Length && policy.SettledRowsAt(rows) is null);
        return step with
        {
            ReadSeconds = readsAhead ? Math.Min(ahead, exposed) : exposed,
            PagesRead = missed,
            BytesRead = bytes,
            HitShare = hit,
            ReadsAhead = readsAhead,
        };
    }

    /// <summary>The same step, which reads so many bytes of weights beside: a layer comes while others are computed, over the same store as pages.</summary>
    public StepPrediction WithWeights(in StepPrediction step, long streamedBytes)
    {
        if (streamedBytes == 0 || machine.Store is not { } store)
            return step;
        var reading = (streamedBytes + step.BytesRead) / store.BytesPerSecond;
        return step with { ReadSeconds = step.ReadSeconds + Math.Max(0, reading - step.TotalSeconds) };
    }

    /// <summary>Seconds until the first token of a prompt.</summary>
    /// <param name="streamedBytes">Of weights, that each chunk reads.</param>
    public double Prompt(int rows, double? poolPages, long streamedBytes = 0)
    {
        var speed = Attention(PolicyCatalog.Dense.Spec);
        var chunks = Math.Max(1, (rows + ChunkRows - 1) / ChunkRows);
        var linear = (rows / ChunkRows * LayerSeconds(ChunkRows)) + (rows % ChunkRows is > 0 and var rest ? LayerSeconds(rest) : 0);
        var pairNs = speed.PairNs > 0 ? speed.PairNs : 4e9 * model.Config.HeadDim / machine.OperationsPerSecond;
        var attention = 0.0;
        for (var layer = 0; layer < model.Config.LayerCount; layer++)
            attention += Pairs(rows, model.Config.Attention.At(layer).WindowTokens) * model.Config.HeadCount * pairNs / 1e9;
        var computed = linear + attention + Seconds([model.Output], 1) + (chunks * model.Config.LayerCount * machine.LayerMs / 1000);
        if (machine.Store is not { } store)
            return computed;
        var weights = chunks * (streamedBytes / store.BytesPerSecond);
        if (poolPages is not { } pool || Pages(rows) <= pool)
            return Math.Max(computed, weights);
        // Each chunk reads what lies before it and memory does not hold, while it computes; and all that was computed is written once.
        var read = Math.Max(0, (chunks / 2.0 * Pages(rows)) - (chunks * pool)) * StorePageBytes / store.BytesPerSecond;
        return Math.Max(computed, read + weights) + (Pages(rows) * (double)StorePageBytes / store.WriteBytesPerSecond);
    }

    /// <summary>Bytes of a page where it lies on file.</summary>
    public int StorePageBytes => (PageBytes + 4095) / 4096 * 4096;

    /// <summary>Pages that a policy keeps of so many rows of a prompt that is over.</summary>
    public long Kept(AttentionPolicy policy, int rows)
    {
        var pages = 0L;
        for (var layer = 0; layer < model.Config.LayerCount; layer++)
        {
            var kept = KvHead.PagesFor(policy.RowsKeptAt(model.Config.Attention, layer, rows));
            pages += (_windows?.Has(layer) == true ? Math.Min(kept, _windows.MostPages) : kept) * (long)_places.ListsAt(layer);
        }

        return pages;
    }

    /// <summary>Products of all matrices with so many rows.</summary>
    public double Seconds(IEnumerable<MatrixSize> matrices, int rows) => matrices.Sum(matrix => Seconds(matrix, rows));

    // Of experts those that the rows choose, each with its share of them.
    private double LayerSeconds(int rows)
    {
        var seconds = Seconds(model.Layers, rows);
        if (model.Experts is not { } experts)
            return seconds;
        var read = experts.Read(rows);
        return seconds + (read * Seconds(experts.Matrices, (int)Math.Ceiling(rows * experts.Used / read)));
    }

    // Of one layer: its queries once more, and what ranks them.
    private double ForetellingSeconds(AttentionPolicy policy, int rows, int batch)
    {
        var config = model.Config;
        var query = model.Layers.FirstOrDefault(matrix => matrix.Rows == config.HeadCount * config.HeadDim && matrix.Columns == config.Width);
        var index = batch * config.KvHeadCount * policy.IndexBytesRead(config.HeadDim, config.Attention.GroupHeads) * rows;
        return (query.Rows > 0 ? Seconds(query, batch) : 0) + (index / machine.ReadBytesPerSecond);
    }

    private static KvWindows? Bounded(AttentionShape shape, KvFormat format)
    {
        var windows = KvWindows.Of(shape, PagePool.PageTokens, new KvPlaces(shape, format).HeadsInPage);
        if (windows is not null)
            windows.StepRows = ChunkRows;
        return windows;
    }

    private double Seconds(in MatrixSize matrix, int rows)
    {
        var type = MachineMeasurement.Measurable(matrix.Type).ToString();
        var known = machine.Matrices.Where(speed => speed.Type == type).OrderBy(static speed => speed.Rows).ToArray();
        if (known.Length == 0)
            return Math.Max(matrix.StoredBytes / machine.ReadBytesPerSecond, 2.0 * rows * matrix.Rows * matrix.Columns / machine.OperationsPerSecond);
        var above = Array.FindIndex(known, speed => speed.Rows >= rows);
        if (above < 0)
            return matrix.StoredBytes / known[^1].BytesPerSecond * rows / known[^1].Rows;
        if (above == 0)
            return matrix.StoredBytes / known[0].BytesPerSecond;
        var (low, high) = (known[above - 1], known[above]);
        var share = (double)(rows - low.Rows) / (high.Rows - low.Rows);
        return matrix.StoredBytes * (((1 - share) / low.BytesPerSecond) + (share / high.BytesPerSecond));
    }

    // [layers]: seconds of attention, and pages that are used, of the whole batch.
    private LayerCost[] Layers(AttentionPolicy policy, int rows, int batch)
    {
        var (dense, sparse) = (Attention(PolicyCatalog.Dense.Spec), Attention(policy.Spec));
        var costs = new LayerCost[model.Config.LayerCount];
        for (var layer = 0; layer < costs.Length; layer++)
        {
            var window = model.Config.Attention.At(layer).WindowTokens;
            var sight = Math.Min(rows, window ?? int.MaxValue);
            var isWhole = !policy.DropsRows && policy.ReadsEveryRow(layer, (rows - sight, rows));
            var speed = isWhole ? dense : sparse;
            var read = Math.Min(sight, speed.Rows + (speed.RowShare * sight));
            costs[layer] = new LayerCost(
                batch * _shape.KvHeadsAt(layer) * (speed.HeadUs + (speed.RowNs * sight / 1000)) / 1e6,
                batch * _places.ListsAt(layer) * Math.Ceiling(read / PagePool.PageTokens), isWhole || read >= sight);
        }

        return costs;
    }

    // Of the policy, over rows of this format and heads of this shape: as measured, or as near as anything measured comes.
    private AttentionSpeed Attention(PolicySpec spec)
    {
        var (dim, group, name) = (model.Config.HeadDim, model.Config.Attention.GroupHeads, spec.ToString());
        var measured = machine.Attention.Where(speed => speed.Policy == name).OrderBy(speed => Math.Abs(Math.Log((double)speed.Dim / dim)))
            .ThenBy(speed => Math.Abs(speed.GroupHeads - group)).ThenByDescending(speed => speed.Kv == format.Name).ToArray();
        if (measured is not [var nearest, ..])
            return Relative(spec) ?? Estimated(spec);
        var scale = (double)dim / nearest.Dim;
        if (nearest.Kv == format.Name)
            return nearest with { RowNs = nearest.RowNs * scale, PairNs = nearest.PairNs * scale };
        // Ranking is the same whatever the rows are; what is read of them costs what it costs densely.
        var (here, there) = (Dense(format.Name, nearest), Dense(nearest.Kv, nearest));
        var changed = here is null || there is null ? 0 : (here.RowNs - there.RowNs) * nearest.RowShare;
        return nearest with { Kv = format.Name, RowNs = Math.Max(0, nearest.RowNs + changed) * scale, PairNs = (here ?? nearest).PairNs * scale };
    }

    // What drops rows attends densely to those that are left; what reads another share ranks as it did, and reads more or less.
    private AttentionSpeed? Relative(PolicySpec spec)
    {
        if (machine.Attention.Count == 0)
            return null;
        var (dense, policy) = (Attention(PolicyCatalog.Dense.Spec), spec.Create());
        if (policy.DropsRows)
        {
            var kept = Math.Min(policy.RowsKeptAt(model.Config.Attention, 0, ReferenceRows), ReferenceRows);
            var (rows, share) = IsShare(policy) ? (0, (double)kept / ReferenceRows) : (kept, 0.0);
            var headUs = dense.HeadUs + (dense.RowNs * rows / 1000);
            return dense with { Policy = spec.ToString(), HeadUs = headUs, RowNs = dense.RowNs * share, Rows = rows, RowShare = share };
        }

        if (policy.SettledRowsAt(ReferenceRows) is { } settled)
        {
            // Single rows are read at half the speed of ranges, and a number of each row is looked at to choose them.
            var (newest, scattered) = ((double)settled.Newest / ReferenceRows, (double)settled.Scattered / ReferenceRows);
            var ranked = 1e9 * policy.IndexBytesRead(model.Config.HeadDim, model.Config.Attention.GroupHeads) / machine.ReadBytesPerSecond;
            return dense with { Policy = spec.ToString(), RowNs = (dense.RowNs * (newest + (2 * scattered))) + ranked, RowShare = newest + scattered };
        }

        const string Share = "share";
        var alike = machine.Attention.FirstOrDefault(speed => PolicySpec.Family(speed.Policy) == spec.Entry.Name && spec.Takes(Share));
        if (alike is null)
            return null;
        var known = Attention(PolicyCatalog.Spec(alike.Policy));
        var more = spec.Real(Share) - PolicyCatalog.Spec(alike.Policy).Real(Share);
        var rowNs = Math.Max(0, known.RowNs + (more * dense.RowNs));
        return known with { Policy = spec.ToString(), RowNs = rowNs, RowShare = Math.Clamp(known.RowShare + more, 0, 1) };
    }

    // Whether what it keeps grows with the prompt.
    private bool IsShare(AttentionPolicy policy) =>
        policy.RowsKeptAt(model.Config.Attention, 0, 2 * ReferenceRows) > 1.5 * policy.RowsKeptAt(model.Config.Attention, 0, ReferenceRows);

    private AttentionSpeed? Dense(string kv, AttentionSpeed like) => machine.Attention.FirstOrDefault(
        speed => speed.Policy == PolicyCatalog.Dense.Name && speed.Kv == kv && speed.Dim == like.Dim && speed.GroupHeads == like.GroupHeads);

    // Nothing was measured: rows and index are read as fast as memory is.
    private AttentionSpeed Estimated(PolicySpec spec)
    {
        var (policy, shape) = (spec.Create(), model.Config.Attention);
        var rowNs = 1e9 * PageBytes / PagePool.PageTokens / machine.ReadBytesPerSecond;
        var named = Array.Find(Shares, spec.Takes);
        var share = named is not null ? spec.Real(named) : policy.DropsRows ? 0 : 1;
        var kept = policy.DropsRows ? policy.RowsKeptAt(model.Config.Attention, 0, model.Config.ContextTokens) : 0;
        var rows = share < 1 ? Math.Max(kept, spec.Takes("recent") ? spec.Whole("recent") + spec.Whole("sinks") : 0) : 0;
        var index = 1e9 * policy.IndexBytesRead(model.Config.HeadDim, model.Config.Attention.GroupHeads) / machine.ReadBytesPerSecond;
        return new AttentionSpeed(spec.ToString(), format.Name, shape.Dim, shape.GroupHeads, rows * rowNs / 1000, (share * rowNs) + index)
        {
            Rows = rows,
            RowShare = share,
        };
    }

    // Seconds until pages are there, and of the processor.
    private (double Wait, double Cpu) Reading(StoreSpeed store, double pages, bool isWhole)
    {
        if (pages <= 0)
            return (0, 0);
        var bytes = pages * StorePageBytes;
        var reads = isWhole ? Math.Max(1, bytes / Math.Max(StorePageBytes, JoinedBytes / StorePageBytes * StorePageBytes)) : pages;
        var wait = (store.LatencyUs / 1e6) + Math.Max(reads / store.ReadsPerSecond, bytes / store.BytesPerSecond);
        return (wait, ((reads * store.CpuUs / 1e6) + (bytes / CopyBytesPerSecond)) / machine.Cores);
    }

    private static double Pairs(double rows, int? window) =>
        window is { } wide && wide < rows ? ((rows - wide) * wide) + (0.5 * wide * wide) : 0.5 * rows * rows;

    private readonly record struct LayerCost(double Seconds, double Pages, bool IsWhole);
}
