using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Observation;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Measurement;

/// <summary>
/// Attends the last positions of a prompt by every policy and compares each with dense attention, a layer at a time: work items are (policy, KV head), or a
/// policy whose heads decide together, and no index outlives its item.
/// </summary>
internal sealed class LayerStudy : ParallelJob, IDisposable
{
    private const int CurveQueries = 4;
    private readonly AttentionShape _shape;
    private readonly AttentionPolicy[] _policies;
    private readonly AttentionScratch[] _scratch;
    private readonly PolicyStudy[] _studies;
    private readonly MassCurves _curves;
    private readonly int _tokens;
    private readonly int _queryCount;
    private SequenceCache _cache = null!;
    private HeadRows _queries;
    private int _firstPosition;
    private int _layer;

    /// <param name="kv">How keys and values are stored.</param>
    /// <param name="tokens">Of the prompt.</param>
    /// <param name="queryCount">Of its last positions.</param>
    public LayerStudy(AttentionShape shape, KvFormat kv, AttentionPolicy[] policies, int workerCount, int tokens, int queryCount)
    {
        (_shape, _policies, _tokens, _queryCount) = (shape, policies, tokens, queryCount);
        _studies = Array.ConvertAll(policies, policy => PolicyStudy.Empty(policy.Name, shape.LayerCount, shape.HeadCount, shape.KvHeadCount));
        _curves = new MassCurves(shape, tokens);
        _scratch = new AttentionScratch[workerCount];
        for (var i = 0; i < workerCount; i++)
        {
            _scratch[i] = new AttentionScratch(shape, kv, tokens)
            {
                Comparison = new DenseComparison(shape),
                Observed = new ObservedWeights(shape.GroupHeads, tokens),
            };
            if (Array.Exists(policies, static policy => policy.DecidesByLayer))
                _scratch[i].Layer = Together(kv, _scratch[i].Parts);
        }
    }

    /// <summary>What has been found.</summary>
    public AttentionStudy Result => new(_tokens, _queryCount, _studies, _curves);

    /// <param name="cache">With all of the prompt in this layer.</param>
    /// <param name="queries">[rows, heads, dim], rotated: of the prompt's last rows.</param>
    /// <param name="firstPosition">Of those.</param>
    public void Run(WorkerPool pool, SequenceCache cache, int layer, NativeView queries, int firstPosition)
    {
        // Heads of other sizes are of layers with a window, which every policy reads whole.
        if (_shape.WindowHeads is not null && !_shape.SeesAll(layer))
        {
            foreach (var study in _studies)
                AddWhole(study, layer);
            return;
        }

        (_cache, _layer, _queries, _firstPosition) = (cache, layer, new HeadRows(queries, _shape.At(layer)), firstPosition);
        pool.Run(this, (_policies.Length + 1) * _shape.KvHeadCount);
    }

    public override void Execute(int item, int worker)
    {
        var (index, kvHead) = (item / _shape.KvHeadCount, item % _shape.KvHeadCount);
        if (index == _policies.Length)
            Trace(kvHead, _scratch[worker]);
        else if (_policies[index].DecidesByLayer || _policies[index].CreateTogether() is not null)
            StudyTogether(_policies[index], _studies[index], kvHead, _scratch[worker]);
        else
            Study(_policies[index], _studies[index], kvHead, _scratch[worker]);
    }

    public void Dispose()
    {
        foreach (var scratch in _scratch)
            scratch.Dispose();
    }

    private void Study(AttentionPolicy policy, PolicyStudy study, int kvHead, AttentionScratch scratch)
    {
        var head = _cache.Head(_layer, kvHead);
        using var selector = policy.CreateSelector(HeadPlace.Of(_shape, _layer, kvHead, _tokens));
        ReadPrompt(policy, new AttentionHead(head.First(_tokens - _queryCount), selector), kvHead, scratch);
        var counts = default(SelectionCounts);
        for (var position = _tokens - _queryCount; position < _tokens; position++)
        {
            // As decode would find it: rows behind the position do not exist yet.
            var seen = new AttentionHead(head.First(position + 1), selector);
            seen.Build(scratch.Index);
            seen.Append(position, 1);
            var query = Query(seen.Rows, position, kvHead, scratch);
            var sum = seen.Attend(query.Queries, _shape.At(_layer).Visible(position), WatchersOf(policy, scratch), scratch, ref counts);
            scratch.Comparison!.Compare(query, sum, scratch);
            Add(study, kvHead, scratch.Comparison);
        }
    }

    // The first head's item does the work of all.
    private void StudyTogether(AttentionPolicy policy, PolicyStudy study, int item, AttentionScratch scratch)
    {
        if (item > 0)
            return;
        var (layer, selectors) = (scratch.Layer!, new Selector[_shape.KvHeadCount]);
        policy.CreateLayer(HeadPlace.Of(_shape, _layer, 0, _tokens) with { Together = policy.CreateTogether() }, selectors);
        for (var kvHead = 0; kvHead < selectors.Length; kvHead++)
            ReadPrompt(policy, new AttentionHead(_cache.Head(_layer, kvHead).First(_tokens - _queryCount), selectors[kvHead]), kvHead, scratch);
        for (var position = _tokens - _queryCount; position < _tokens; position++)
        {
            for (var kvHead = 0; kvHead < selectors.Length; kvHead++)
            {
                var seen = new AttentionHead(_cache.Head(_layer, kvHead).First(position + 1), selectors[kvHead]);
                seen.Build(scratch.Index);
                seen.Append(position, 1);
                layer.Set(kvHead, seen, WatchersOf(policy, layer.Scratch(kvHead)));
                _queries.Queries(position - _firstPosition, 1, kvHead, layer.Scratch(kvHead));
            }

            var visible = _shape.At(_layer).Visible(position);
            HeadAttention.DecodeTogether(layer, visible);
            for (var kvHead = 0; kvHead < selectors.Length; kvHead++)
            {
                var comparison = layer.Scratch(kvHead).Comparison!;
                comparison.Compare(layer.Query(kvHead, visible), layer.Sum(kvHead), layer.Scratch(kvHead));
                Add(study, kvHead, comparison);
            }
        }

        foreach (var selector in selectors)
            selector.Dispose();
    }

    private static Watchers WatchersOf(AttentionPolicy policy, AttentionScratch scratch) =>
        new(policy.ObservesDecode ? scratch.Observed : null, scratch.Comparison);

    private LayerScratch Together(KvFormat kv, RoundParts parts)
    {
        var layer = new LayerScratch(_shape, kv, _tokens, parts);
        layer.PrepareToObserve(_shape, _tokens);
        layer.PrepareToCompare(_shape);
        return layer;
    }

    private void ReadPrompt(AttentionPolicy policy, AttentionHead prompt, int kvHead, AttentionScratch scratch)
    {
        var rows = prompt.Rows.RowCount;
        prompt.Append(0, rows);
        prompt.ObservePrompt(_queries, -_firstPosition, kvHead, (Math.Max(0, rows - policy.ObservedPromptRows), rows), scratch);
        prompt.EndPrompt();
        prompt.Build(scratch.Index);
    }

    private void Add(PolicyStudy study, int kvHead, DenseComparison comparison)
    {
        comparison.RequireFinite(_layer, kvHead);
        study.KeysRead.Add(_layer, kvHead, (double)comparison.RowsRead / comparison.RowsInSight / _queryCount);
        for (var i = 0; i < _shape.GroupHeads; i++)
        {
            var head = (kvHead * _shape.GroupHeads) + i;
            study.KeysUsed.Add(_layer, head, (double)comparison.RowsUsed[i] / comparison.RowsInSight / _queryCount);
            study.MassKept.Add(_layer, head, (double)comparison.Masses[i] / _queryCount);
            study.Error.Add(_layer, head, (double)comparison.Errors[i] / _queryCount);
        }
    }

    // As what reads every row: nothing is lost.
    private void AddWhole(PolicyStudy study, int layer)
    {
        for (var kvHead = 0; kvHead < _shape.KvHeadCount; kvHead++)
            study.KeysRead.Add(layer, kvHead, 1);
        for (var head = 0; head < _shape.HeadCount; head++)
        {
            study.KeysUsed.Add(layer, head, 1);
            study.MassKept.Add(layer, head, 1);
        }
    }

    private void Trace(int kvHead, AttentionScratch scratch)
    {
        var head = _cache.Head(_layer, kvHead);
        var count = Math.Min(CurveQueries, _queryCount);
        for (var position = _tokens - count; position < _tokens; position++)
            _curves.Add(_layer, kvHead, Query(head, position, kvHead, scratch), 1.0 / (count * _shape.GroupHeads));
    }

    private HeadQuery Query(KvHead head, int position, int kvHead, AttentionScratch scratch)
    {
        var visible = _shape.At(_layer).Visible(position);
        return new HeadQuery(head, _queries.Queries(position - _firstPosition, 1, kvHead, scratch), visible.First, visible.End, scratch.Selector);
    }
}
