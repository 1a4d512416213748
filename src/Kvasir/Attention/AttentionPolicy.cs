using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Attention;

/// <summary>
/// One way of choosing which rows of the cache a query reads: a paper with its options. Immutable; what a sequence's heads
/// learn lives in the <see cref="Selector"/> that it hands out for each of them.
/// </summary>
public abstract class AttentionPolicy
{
    /// <param name="spec">What it was made from.</param>
    protected AttentionPolicy(PolicySpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        Spec = spec;
    }

    /// <summary>The row of the catalogue and the options that it was made from.</summary>
    public PolicySpec Spec { get; }

    /// <summary>The name on the command line, with the options that differ from the defaults.</summary>
    public string Name => Spec.ToString();

    /// <summary>The last rows of a prompt whose attention weights the selectors want through <see cref="Selector.Observe"/>; 0 for none.</summary>
    public virtual int ObservedPromptRows => 0;

    /// <summary>Whether the selectors want the weights of every decode step through <see cref="Selector.Observe"/>.</summary>
    public virtual bool ObservesDecode => false;

    /// <summary>
    /// Whether the selectors of a layer take all rows in sight in one round, leave their scores as they are, and want no weights: then nobody
    /// is asked, and the rows of one head may be divided between workers.
    /// </summary>
    /// <param name="visible">The positions in sight.</param>
    public virtual bool ReadsEveryRow(int layer, (int First, int End) visible) => false;

    /// <summary>
    /// Whether rows that will not be read again are dropped, and their memory freed. Then selectors are asked for them by <see
    /// cref="Selector.DroppableRows"/> and
    /// <see cref="Selector.Edit"/>, unless the sequence is audited or its rows may be taken back: it keeps them all.
    /// </summary>
    public virtual bool DropsRows => false;

    /// <summary>
    /// Whether a sequence that keeps all of its rows, since some may be taken back, reads what it would without: else no tokens are guessed
    /// (<see cref="GenerationOptions.SpeculativeTokens"/>).
    /// </summary>
    public virtual bool SuitsGuesses => true;

    /// <summary>
    /// Rows that the heads of a layer keep, in the mean, when a prompt of so many is over; all of them unless <see cref="DropsRows"/>. Pages are whole, and
    /// fewer rows than a page has are not worth dropping.
    /// </summary>
    public virtual int RowsKeptAt(AttentionShape shape, int layer, int promptRows) => promptRows;

    /// <summary>
    /// Which positions a policy that <see cref="DropsRows"/> keeps, where their places alone decide: those before the first number, and those from the second
    /// on, which never falls as sequences grow; nothing is dropped unless the second is larger. Null where it is decided row by row. By this it can stand
    /// behind a plus, and drop rows from among which another policy selects (<see cref="PolicySpec.Drop"/>).
    /// </summary>
    /// <param name="visible">The positions in sight.</param>
    public virtual (int OldestEnd, int NewestFirst)? KeptAt(int layer, (int First, int End) visible) => null;

    /// <summary>
    /// Rows that are indexed or chosen together, counted from row 0: where another policy drops rows, so many go at a time, or a multiple, and blocks stay
    /// what they were.
    /// </summary>
    public virtual int RowUnit => 1;

    /// <summary>
    /// Whether rows may lie on file (<see cref="EngineOptions.KvDirectory"/>): selectors read none by themselves but those that they are told of and
    /// <see cref="Selector.RowsBefore"/>, and rows that they select lie together.
    /// </summary>
    public virtual bool SuitsFiles => false;

    /// <summary>
    /// What selectors go on reading at so many rows in sight, but for a few in each step: worth copies in memory where rows lie on file. Null where every step
    /// chooses anew, or rows that lie together.
    /// </summary>
    public virtual SettledRows? SettledRowsAt(int rows) => null;

    /// <summary>
    /// Whether <see cref="Selector.Edit"/> says exactly which rows no later query will read, so that these can be given up where there is no room for them, and
    /// the answer is the same.
    /// </summary>
    internal virtual bool KnowsSpentRows => false;

    /// <summary>Bytes of index that one token costs in one KV head of a layer that is not dense.</summary>
    /// <param name="dim">Values in a row.</param>
    public virtual double IndexBytesPerToken(int dim) => 0;

    /// <summary>
    /// What it costs to tell a selector of a row (<see cref="Selector.Append"/>), where 1 is what hashing one into 150 tables does, a few microseconds. Decides
    /// in how many slices selectors are told of rows that were there before the sequence began; when it is 0, of all at once.
    /// </summary>
    /// <param name="dim">Values in a row.</param>
    public virtual double AppendRowCost(int dim) => IndexBytesPerToken(dim) > 0 ? 1.0 / 16 : 0;

    /// <summary>The same of a row that waits for <see cref="Selector.Build"/>; more than 0.</summary>
    /// <param name="dim">Values in a row.</param>
    public virtual double BuildRowCost(int dim) => 1.0 / 16;

    /// <summary>
    /// The most bytes that the index of one head holds at a time, with so many rows in the cache: asked for before they are computed. What a selector
    /// turns out to hold beyond that (<see cref="Selector.IndexBytes"/>) is counted after the step.
    /// </summary>
    /// <param name="place">Of any head of the layer.</param>
    /// <param name="promptRows">Those of the prompt among them, or more.</param>
    public virtual long IndexBytesAt(HeadPlace place, int promptRows, int rows) => (long)Math.Ceiling(IndexBytesPerToken(place.Dim) * rows);

    /// <summary>The same of all heads of a sequence.</summary>
    /// <param name="maxRows">The most rows that the sequence will hold.</param>
    /// <param name="takeBack">How far its generated rows may be taken back.</param>
    /// <param name="prefixRows">As <see cref="HeadPlace.PrefixRows"/>; their index is counted whoever makes it.</param>
    public long IndexBytesAt(AttentionShape shape, int promptRows, int rows, int maxRows, TakeBackLimits takeBack = default, int prefixRows = 0)
    {
        var bytes = 0L;
        for (var layer = 0; layer < shape.LayerCount; layer++)
            bytes += IndexBytesAt(PlaceIn(shape, layer, maxRows, prefixRows) with { TakeBack = takeBack }, promptRows, rows);
        return shape.KvHeadCount * bytes;
    }

    /// <summary>
    /// Where a part of the index ends that begins at a row: what it holds follows from the rows up to that end and from nothing else, so that whoever begins
    /// with the same rows can have it copied (<see cref="Selector.WritePart"/>, <see cref="Selector.ReadPart"/>). A multiple of 32; the row itself where none
    /// begins.
    /// </summary>
    /// <param name="firstRow">A multiple of 32.</param>
    public virtual int PartEnd(int firstRow) => firstRow;

    /// <summary>Bytes of such a part in one head: as many in every head that has any; 0 for none.</summary>
    /// <param name="place">Of any head of the layer.</param>
    public virtual long PartBytes(HeadPlace place, int rowCount) => 0;

    /// <summary>
    /// What it costs to read a row of a part (<see cref="Selector.ReadPart"/>), as <see cref="AppendRowCost"/>; more than 0.
    /// </summary>
    public virtual double PartRowCost(int dim) => AppendRowCost(dim) / 16;

    /// <summary>What parts depend on beside their rows: two policies of which this is the same take each other's.</summary>
    public virtual string PartName => Name;

    /// <summary>
    /// Makes an index of the first <see cref="HeadPlace.PrefixRows"/> rows of one head. Selectors of all sequences that begin with them are given it by <see
    /// cref="HeadPlace.Prefix"/>: one of them builds it, a slice at a time, and when it is complete all read it. Null when there is nothing to share: an index
    /// that costs little is made by each.
    /// </summary>
    public virtual IDisposable? CreatePrefix(HeadPlace place) => null;

    /// <summary>The most bytes that such an index holds, which are among those of <see cref="IndexBytesAt(HeadPlace, int, int)"/>; 0 for none.</summary>
    public virtual long PrefixBytesAt(HeadPlace place) => 0;

    /// <summary>The same of all heads.</summary>
    public long PrefixBytesAt(AttentionShape shape, int prefixRows)
    {
        var bytes = 0L;
        for (var layer = 0; layer < shape.LayerCount && prefixRows > 0; layer++)
            bytes += PrefixBytesAt(PlaceIn(shape, layer, prefixRows, prefixRows));
        return shape.KvHeadCount * bytes;
    }

    /// <summary>Bytes that the indexes of all sequences share, as <see cref="ShareIndex"/> makes it; 0 for nothing.</summary>
    public virtual long SharedIndexBytes(AttentionShape shape) => 0;

    /// <summary>
    /// Makes what the indexes of all sequences share; null for nothing. Whoever asks hands it to selectors by <see cref="HeadPlace.Shared"/>, for policies of
    /// this name, and disposes it after them.
    /// </summary>
    public virtual IDisposable? ShareIndex(AttentionShape shape) => null;

    /// <summary>Bytes of that index that a query group reads for each token in sight: all of them, unless the policy looks tokens up.</summary>
    /// <param name="dim">Values in a row.</param>
    /// <param name="groupHeads">Query heads that share the KV head.</param>
    public virtual double IndexBytesRead(int dim, int groupHeads) => IndexBytesPerToken(dim);

    /// <summary>Checks that the options make sense for a model.</summary>
    /// <exception cref="KvasirException">They do not: a layer that they name does not exist, or what they were calibrated for is another model.</exception>
    public virtual void RequireFits(AttentionShape shape)
    {
    }

    /// <param name="onFile">Whether rows may lie on file.</param>
    /// <exception cref="KvasirException">As the other; or the policy does not suit files.</exception>
    internal void RequireFits(AttentionShape shape, bool onFile)
    {
        RequireFits(shape);
        if (onFile && !SuitsFiles)
            throw new KvasirException(
                KvasirError.BadOption,
                $"attention policy '{Name}' does not suit keys and values on file, where it would read rows from all over in every step; "
                    + "quest and psa choose rows that lie together, alisa:scoring=literal goes on reading the same, and dense reads all");
    }

    /// <summary>
    /// Whether the heads of a layer decide together what they read: one worker then attends them all, round by round, and they hear of each round's
    /// queries and sums by <see cref="Selector.Consider"/> before any of them selects.
    /// </summary>
    public virtual bool DecidesByLayer => false;

    /// <summary>
    /// Told once for every layer when a prompt is over and all of its heads have observed it, if <see cref="DropsRows"/>: says what each of them drops, so
    /// that heads may share what there is. As it is, each answers for itself.
    /// </summary>
    public virtual void EndPrompt(LayerHeads heads)
    {
        for (var kvHead = 0; kvHead < heads.Count; kvHead++)
            heads.Selector(kvHead).Edit(heads.Rows(kvHead), heads.Visible, heads.Edit(kvHead));
    }

    /// <summary>
    /// Makes what the heads of one sequence decide by together, in whatever layer they are; null for nothing. They are given it by <see
    /// cref="HeadPlace.Together"/>. Several workers may ask it at once.
    /// </summary>
    public virtual object? CreateTogether() => null;

    /// <summary>A fresh selector for one (sequence, layer, KV head).</summary>
    public abstract Selector CreateSelector(HeadPlace place);

    /// <summary>Fresh selectors for the KV heads of one (sequence, layer).</summary>
    /// <param name="first">Of KV head 0.</param>
    /// <param name="selectors">[KV heads]</param>
    public virtual void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        for (var i = 0; i < selectors.Length; i++)
            selectors[i] = CreateSelector(first with { KvHead = i });
    }

    /// <summary>Fresh selectors for all heads of a sequence, [layers, KV heads].</summary>
    /// <param name="first">The first head of the first layer.</param>
    /// <exception cref="InvalidOperationException">The policy left one out.</exception>
    internal Selector[] CreateAll(HeadPlace first, AttentionShape shape)
    {
        var selectors = new Selector[shape.TotalKvHeads];
        first = first with { Together = CreateTogether() };
        try
        {
            for (var layer = 0; layer < first.LayerCount; layer++)
                CreateLayer(first with { Layer = layer }, selectors.AsSpan(shape.HeadsBefore(layer), shape.KvHeadsAt(layer)));
            if (Array.IndexOf(selectors, null) is var missing and >= 0 && shape.PlaceOf(missing) is var place)
                throw new InvalidOperationException(
                    $"attention policy '{Name}' made no selector for layer {place.Layer}, KV head {place.KvHead}");
            return selectors;
        }
        catch
        {
            foreach (var selector in selectors)
                selector?.Dispose();
            throw;
        }
    }

    private static HeadPlace PlaceIn(AttentionShape shape, int layer, int maxRows, int prefixRows) =>
        HeadPlace.Of(shape, layer, 0, maxRows) with { PrefixRows = prefixRows };
}
