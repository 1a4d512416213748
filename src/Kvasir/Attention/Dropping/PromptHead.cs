using System.Diagnostics;
using Kvasir.Attention.Marks;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// One head under a <see cref="PromptDropping"/> policy: a score of every row, which is what the last rows of the prompt paid to it, until the prompt is over.
/// </summary>
internal sealed class PromptHead : ZonedSelector
{
    /// <summary>The longest window of <see cref="Smooth"/>.</summary>
    public const int MostSmoothed = 63;

    private readonly PromptHeads _heads;
    private readonly ObservedSquares _wanted;
    private readonly MarkedSums _scores;
    private readonly GivenUpRows _givenUp;

    // Until it is decided what goes: nobody asks afterwards.
    private SquaredWeights? _squares;
    private int _rows;
    private int _promptRows;

    public PromptHead(ExactZones zones, HeadPlace place, PromptHeads heads, ObservedSquares wanted)
        : base(zones)
    {
        (Place, _heads, _wanted) = (place, heads, wanted);
        _scores = new MarkedSums(place, marks: 0);
        _givenUp = new GivenUpRows(_scores);
        _squares = MakeSquares();
    }

    public HeadPlace Place { get; }

    public override long IndexBytes => _scores.Bytes + (_squares?.Bytes ?? 0);

    /// <summary>The rows among which is chosen: those between the zones when the prompt was over.</summary>
    public (int First, int End) Middle { get; private set; }

    public int MiddleRows => Middle.End - Middle.First;

    /// <summary>How many of them stay; what the policy decides. At first its share, were all heads of all layers alike.</summary>
    public int Kept { get; set; }

    public override void Append(KvHead head, int firstRow, int rowCount)
    {
        _rows = firstRow + rowCount;
        _scores.Append(firstRow, rowCount);
        _squares?.Append(firstRow, rowCount);
    }

    public override void EndPrompt(KvHead head)
    {
        _promptRows = head.RowCount;
        _scores.EndPrompt(_promptRows);
        _squares?.EndPrompt(_promptRows);
    }

    public override void Truncate(int rows)
    {
        _rows = Math.Min(_rows, rows);
        if (rows < _promptRows)
        {
            _promptRows = 0;
            _heads.Reopen();
            Reopen();
        }

        _scores.Truncate(_rows);
        _squares?.Truncate(_rows);
        _givenUp.CountAnew(_rows);
    }

    public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
    {
        _scores.Learn(position + 1);
        for (var i = 0; i < rows.Count; i++)
        {
            ref var score = ref _scores[rows[i]];
            for (var head = 0; head < Place.GroupHeads; head++)
                score += weights[head * stride + i];
        }

        _squares?.Observe(position, rows, weights, stride);
    }

    /// <summary>The prompt is over: says among which rows is chosen.</summary>
    public void Close(PromptDropping policy, int firstVisible)
    {
        Debug.Assert(_givenUp.Count == 0);
        Middle = Zones.Middle(firstVisible, _promptRows + 1);
        Kept = policy.KeptIn((Place.Layer, Place.LayerCount), Middle, _promptRows);
    }

    /// <summary>
    /// Puts in the place of each score before the newest zone the mean of those around it, itself among them, or the largest of these. Rows that do not exist
    /// count 0.
    /// </summary>
    /// <param name="width">Odd, at most <see cref="MostSmoothed"/>.</param>
    public void Smooth(int width, bool largest)
    {
        Span<float> before = stackalloc float[MostSmoothed / 2 + 1];
        var half = width / 2;
        // Where nothing is chosen the newest zone may begin behind the row to come.
        var end = Math.Min(Middle.End, _promptRows);
        for (var row = 0; row < end; row++)
        {
            var (own, sum, most) = (_scores[row], 0f, 0f);
            for (var other = Math.Max(0, row - half); other <= Math.Min(row + half, end - 1); other++)
            {
                var score = other < row ? before[other % (half + 1)] : _scores[other];
                (sum, most) = (sum + score, MathF.Max(most, score));
            }

            before[row % (half + 1)] = own;
            _scores[row] = largest ? most : sum / width;
        }
    }

    /// <summary>Puts its number in the place of each row's score: the newest are the best.</summary>
    public void ScoreByAge()
    {
        for (var row = 0; row < _promptRows; row++)
            _scores[row] = row;
    }

    /// <summary>The square of the weight that a query head gave a row.</summary>
    public float Square(int head, int row) => _squares![head, row];

    /// <summary>The sum of a query head's squares, and of those outside the rows among which is chosen.</summary>
    public double SumSquares(int head, out double zones)
    {
        var middle = 0.0;
        zones = 0;
        for (var row = 0; row < _promptRows; row++)
        {
            if (row >= Middle.First && row < Middle.End)
                middle += _squares![head, row];
            else
                zones += _squares![head, row];
        }

        return zones + middle;
    }

    /// <summary>The rows among which is chosen, in the low half of each number, in the order in which <see cref="GiveUp"/> gives them up.</summary>
    public void OrderMiddle(Span<ulong> rows)
    {
        for (var i = 0; i < rows.Length; i++)
            rows[i] = (ulong)LargestNumbers.Rank(_scores[Middle.First + i]) << 32 | (uint)(Middle.First + i);
        rows.Sort();
    }

    /// <summary>Adds what another head of the layer has scored.</summary>
    public void Add(PromptHead other)
    {
        for (var row = 0; row < _promptRows; row += MarkedSums.PageRows)
            VectorMath.Add(other._scores.From(row, _promptRows), _scores.From(row, _promptRows));
    }

    /// <summary>Takes over what another head of the layer has scored.</summary>
    public void Take(PromptHead other)
    {
        for (var row = 0; row < _promptRows; row += MarkedSums.PageRows)
            other._scores.From(row, _promptRows).CopyTo(_scores.From(row, _promptRows));
    }

    /// <summary>The scores between the zones, in order.</summary>
    public void CopyMiddle(Span<float> scores)
    {
        for (var row = Middle.First; row < Middle.End;)
        {
            var part = _scores.From(row, Middle.End);
            part.CopyTo(scores[(row - Middle.First)..]);
            row += part.Length;
        }
    }

    /// <summary>The sum of all scores of the prompt, and of those between the zones.</summary>
    public (double All, double Middle) Sums()
    {
        var sums = (All: 0.0, Middle: 0.0);
        for (var row = 0; row < _promptRows; row++)
        {
            sums.All += _scores[row];
            sums.Middle += row >= Middle.First && row < Middle.End ? _scores[row] : 0;
        }

        return sums;
    }

    /// <summary>Adds the scores between the zones to a search.</summary>
    public void AddTo(ref LargestSearch search)
    {
        for (var row = Middle.First; row < Middle.End;)
        {
            var part = _scores.From(row, Middle.End);
            search.Add(part);
            row += part.Length;
        }
    }

    /// <summary>Rows between the zones with a score above a limit, and with just this score.</summary>
    public (int Above, int Equal) Count(float limit)
    {
        var count = (Above: 0, Equal: 0);
        for (var row = Middle.First; row < Middle.End;)
        {
            var part = _scores.From(row, Middle.End);
            foreach (var score in part)
            {
                count.Above += score > limit ? 1 : 0;
                count.Equal += score == limit ? 1 : 0;
            }

            row += part.Length;
        }

        return count;
    }

    /// <summary>Marks all rows between the zones but those of the largest scores; of rows with equal scores the oldest go first.</summary>
    public void GiveUp()
    {
        Debug.Assert(Kept >= 0);
        _squares?.Dispose();
        _squares = null;
        if (Kept >= MiddleRows)
            return;
        var limit = float.PositiveInfinity;
        if (Kept > 0)
        {
            var search = new LargestSearch(Kept, stackalloc int[LargestSearch.CountsLength]);
            while (search.Begin())
                AddTo(ref search);
            limit = search.Found;
        }

        var (above, equal) = Count(limit);
        var surplus = above + equal - Kept;
        for (var row = Middle.First; row < Middle.End; row++)
        {
            if (_scores[row] is var score && (score < limit || (score == limit && surplus-- > 0)))
                _givenUp.Add(row);
        }
    }

    public override int DroppableRows(KvHead head, (int First, int End) visible) => _givenUp.Count;

    public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
    {
        _heads.Decide(visible.First);
        _givenUp.Drop(edit, _rows);
    }

    public override void Edited(KvHead head, RowEdit edit)
    {
        _scores.Edited(edit);
        (_rows, _promptRows) = (head.RowCount, edit.KeptBefore(_promptRows));
        _givenUp.CountAnew(_rows);
    }

    protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
    {
        if (round > 0)
            return false;
        _heads.Decide(query.FirstPosition);
        if (_givenUp.Count == 0)
        {
            selection.AddRange(middle.First, middle.End - middle.First);
            return true;
        }

        // What is given up lies in the prompt; a sequence that keeps its rows lists the others.
        var prompt = Math.Clamp(_promptRows, middle.First, middle.End);
        var rows = query.Scratch.Whole(prompt - middle.First);
        var count = _givenUp.FindOthers((middle.First, prompt), rows, query.Scratch.Floats(rows.Length));
        foreach (var row in rows[..count])
            selection.Add(row);
        selection.AddRange(prompt, middle.End - prompt);
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        _scores.Dispose();
        _squares?.Dispose();
        base.Dispose(disposing);
    }

    private SquaredWeights? MakeSquares() => _wanted == ObservedSquares.None ? null : new SquaredWeights(Place, _wanted == ObservedSquares.OfLast);

    private void Reopen()
    {
        if (_squares is not null)
            return;
        _squares = MakeSquares();
        _squares?.Append(0, _rows);
    }
}
