namespace Kvasir.Evaluation.Texts;

/// <summary>Sentences without end that say nothing that is asked for. They hold no digit and no hyphen.</summary>
internal abstract class Haystack
{
    private readonly List<string> _sentences = [];

    /// <summary>The first sentences that have <paramref name="words"/> words together; the last one is cut short where it must be.</summary>
    public List<string> Take(int words)
    {
        var taken = new List<string>();
        for (var i = 0; words > 0; i++)
        {
            if (i == _sentences.Count)
                _sentences.Add(Sentence(i));
            var (sentence, count) = (_sentences[i], 1 + _sentences[i].AsSpan().Count(' '));
            taken.Add(count <= words ? sentence : string.Join(' ', sentence.Split(' ')[..words]).TrimEnd(',') + ".");
            words -= count;
        }

        return taken;
    }

    /// <summary>Ends with a full stop.</summary>
    protected abstract string Sentence(int index);
}
