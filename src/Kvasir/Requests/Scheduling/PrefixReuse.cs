using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Text;
using System.Globalization;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// Which rows sequences take from the prefix cache, and which they leave there. Those are left that are what a prompt's would be: computed as a prompt, or
/// generated while every layer read all that was in sight. What a policy observes of a prompt, and the row that tells the first token, each sequence computes
/// itself.
/// </summary>
/// <param name="own">Whether any rows are kept, and whether those that a sparse policy has decoded are, for it.</param>
/// <param name="pinned">What is kept of them whatever else wants the memory.</param>
/// <param name="stored">What there is of them beyond memory.</param>
/// <param name="mostTokens">Of a sequence of the engine.</param>
internal sealed class PrefixReuse(KvCache cache, Model model, EngineOptions own, PinnedPrefixes pinned, StoredPrefixes stored, int mostTokens)
{
    private const string Dense = "dense";

    // Generated tokens that there is room for at first.
    private const int LeastRoom = 1024;
    private readonly Lazy<string> _rows = new(() => RowsOf(model, cache.Pool.Layout.Format.Name));

    /// <summary>Gives a sequence its place, on the thread of whoever submits it; none if it is not to have one.</summary>
    public void Accept(Sequence sequence)
    {
        var options = sequence.Options;
        if (sequence.Pin is not null && !(Keeps && options.Cache))
            throw new KvasirException(KvasirError.BadOption, "a prompt is pinned in the prefix cache, which the engine or the request goes without");
        if (sequence.Pin is not null)
            pinned.Require(sequence.PromptCount);
        if (!options.Cache || !(Keeps || sequence.Shared is not null))
            return;
        var lineage = sequence.Shared is null ? LineageOf(sequence.Attention!.Policy) : Dense;
        if (!Keeps)
        {
            sequence.Accept(OnlyShared(sequence.Shared!, Rows(sequence.TokenLimit)));
            return;
        }

        var rows = Rows(sequence.TokenLimit);
        var (common, tenant) = (ColumnName.CommonRoot(rows, lineage), options.Tenant ?? "");
        sequence.Accept(sequence.Pin is { IsCommon: true }
            ? new PrefixPath(cache.Prefixes, common) { Keeps = options.Keep, Tenant = tenant }
            : new PrefixPath(cache.Prefixes, ColumnName.Root(rows, lineage, tenant, options.CacheSalt ?? ""))
            {
                Keeps = options.Keep,
                Tenant = tenant,
                Common = new PrefixPath(cache.Prefixes, common),
            });
    }

    /// <summary>What the names of columns begin with that a request uses.</summary>
    /// <param name="promptTokens">Tokens before its answer.</param>
    public ColumnName RootOf(AttentionPolicy policy, GenerationOptions options, int promptTokens) => ColumnName.Root(
        Rows(Math.Min(mostTokens, promptTokens + (long)(options.MaxTokens ?? int.MaxValue))), LineageOf(policy), options.Tenant ?? "", options.CacheSalt ?? "");

    /// <summary>How the rows are computed that a request uses.</summary>
    public string LineageOf(AttentionPolicy policy) => own.ReusesSparseAnswers ? policy.Name : Dense;

    /// <summary>Rows at a prompt's end that each sequence computes itself.</summary>
    public static int OwnRows(AttentionPolicy policy) => Math.Max(1, policy.ObservedPromptRows);

    /// <summary>Rows of a prompt, from the first, that a sequence need not compute itself.</summary>
    public static int MostRows(Sequence sequence) => sequence.PrefillCount - Math.Max(1, sequence.Attention!.ObservedPromptRows);

    /// <summary>Finds what is there of a sequence that is to begin: it stays until the sequence leaves.</summary>
    public void Enter(Sequence sequence)
    {
        if (sequence.Prefix is not { } path)
            return;
        path.Enter(
            sequence.Tokens, MostRows(sequence), (int)Math.Min(sequence.TokenLimit, sequence.TokenCount + (long)Math.Max(LeastRoom, sequence.TokenCount)));
        if (path is { DivergedAt: { } split, LeftAt: { } column })
            path.IsRetokenised = SameText.Begins(model.Tokenizer, sequence.Tokens[split..], column.Tokens[(split - path.RowCount)..]);
    }

    /// <summary>Takes what others have computed meanwhile of what a sequence would compute next. False when there is nothing.</summary>
    public static bool TrySkip(Sequence sequence)
    {
        var attention = sequence.Attention!;
        // All that it has is whole columns, and no page is there for more.
        if (sequence.Prefix is not { IsOpen: true } path || attention.RowCount != path.RowCount || attention.Cache!.ReservedRows != attention.RowCount)
            return false;
        var before = path.Count;
        path.TakeMore(sequence.Tokens, MostRows(sequence));
        if (path.Count == before)
            return false;
        attention.Cache.Adopt(path.Columns[before..]);
        sequence.MarkFound(path.RowCount - attention.RowCount);
        attention.Skip(path.RowCount);
        return true;
    }

    /// <summary>
    /// Whether what <paramref name="other"/> would compute next is a column that <paramref name="first"/> has not computed to its end: it will find it.
    /// </summary>
    public static bool ComputesNextOf(Sequence first, Sequence other)
    {
        if (first.Prefix is not { IsOpen: true } path || other.Prefix is not { IsOpen: true } own
            || path.Count > own.Count || other.Attention!.RowCount != own.RowCount)
            return false;
        var end = own.RowCount + PagePool.PageTokens;
        return end <= MostRows(other) && end <= first.PrefillCount && end > first.CachedCount
            && path.Name(own.Count, first.Tokens).Equals(own.Name(own.Count, other.Tokens));
    }

    /// <summary>Leaves the columns that are full since the last step to others, and those of a prompt that is to be pinned to its pin.</summary>
    /// <param name="endsPrompt">Whether its prompt is computed by now, and was not before.</param>
    public void Add(Sequence sequence, bool endsPrompt)
    {
        AddColumns(sequence);
        pinned.TakeShared(sequence);
        if (!endsPrompt)
            return;
        sequence.MarkPromptEnd();
        pinned.Take(sequence);
    }

    /// <summary>Lets pins go whose time is over.</summary>
    public void Sweep() => pinned.Sweep();

    /// <summary>Forgets all rows that no sequence has, pinned ones too.</summary>
    public void Clear()
    {
        pinned.Clear();
        stored.Clear();
        cache.Prefixes.Clear();
    }

    /// <summary>Forgets all rows that no sequence has and nobody has pinned, those that wait to be written too: others want the memory.</summary>
    public void GiveBack()
    {
        stored.Yield();
        cache.Prefixes.Clear();
    }

    /// <summary>
    /// Before rows are dropped of prompts that are over: whoever drops rows needs the columns no longer, and what stays is copied out of pages that the cache
    /// has.
    /// </summary>
    public void LeaveToDrop(ReadOnlySpan<Sequence> chosen, Batch batch)
    {
        for (var i = 0; i < chosen.Length; i++)
        {
            var attention = chosen[i].Attention!;
            if (!attention.DropsRows || !batch.Segments[i].EndsPrompt || chosen[i].Prefix is not { IsEntered: true } path)
                continue;
            stored.Leave(chosen[i], isWritten: true);
            path.Leave();
            var pages = 0L;
            for (var layer = 0; layer < model.Config.LayerCount; layer++)
                pages += (KvHead.PagesFor(attention.Policy.RowsKeptAt(model.Config.Attention, layer, attention.PromptEnd)) + 1L) * cache.Places.ListsAt(layer);
            cache.Pool.HasRoom(pages, 0);
        }
    }

    // What was only guessed is no row of the sequence's.
    private void AddColumns(Sequence sequence)
    {
        var rows = Math.Min(sequence.CachedCount, sequence.TokenCount - 1);
        if (sequence.Prefix is not { IsOpen: true } path || rows < path.RowCount + PagePool.PageTokens || sequence.Fault is not null)
            return;
        var attention = sequence.Attention!;
        // A page whose rows share a range remembers guesses that were taken back.
        var pure = attention.TakeBack.Marks > 0 && cache.OpenPageBytes > 0 ? Math.Min(rows, attention.PromptEnd) : rows;
        path.Add(attention.Cache!, sequence.Tokens, KeepsSparse(sequence) ? pure : attention.DenseRows(path.RowCount, pure));
        if (path.RowCount + PagePool.PageTokens <= rows)
            path.Close();
        // Behind the prompt in one go, at the end: a step of an answer allocates nothing.
        if (attention.RowCount <= attention.PromptEnd)
            attention.LeaveParts();
    }

    // Where nothing is kept, what somebody holds is there for those alone who have been given it.
    private PrefixPath OnlyShared(SharedPrompt shared, string rows) =>
        new(cache.Prefixes, ColumnName.Root(rows, shared.Name, "", "")) { MostRows = shared.TokenCount, StaysIdle = false };

    private bool Keeps => own.PrefixCache == true;

    // A prompt is shared by sequences under any policy.
    private bool KeepsSparse(Sequence sequence) => own.ReusesSparseAnswers && sequence.Shared is null;

    // A model with two sets of rotary factors turns all rows of a sequence by one of them: rows of the other are another model's.
    private string Rows(long tokenLimit) => model.Config.Rope.IsLong(tokenLimit) ? $"{_rows.Value}|long" : _rows.Value;

    // What rows depend on beside their tokens and how they were attended.
    private static string RowsOf(Model model, string format)
    {
        var rope = model.Config.Rope;
        var factors = string.Join(',', [.. rope.FrequencyFactors ?? [], .. rope.LongFrequencyFactors ?? []]);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{model.Weights.Fingerprint}|{format}|{PagePool.PageTokens}|{rope with { FrequencyFactors = null, LongFrequencyFactors = null }}|{factors}");
    }
}
