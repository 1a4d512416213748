namespace Kvasir.Text.Words;

/// <summary>One change that a tokenizer makes to a text before it splits it.</summary>
internal abstract record NormalizerStep
{
    public abstract string Apply(string text);

    /// <summary>All steps in order.</summary>
    public static string ApplyAll(NormalizerStep[] steps, string text)
    {
        foreach (var step in steps)
            text = step.Apply(text);
        return text;
    }
}

/// <summary>Canonical composition (NFC).</summary>
internal sealed record ComposeStep : NormalizerStep
{
    public override string Apply(string text) => CanonicalForm.Compose(text);
}

/// <summary>Puts <paramref name="Prefix"/> before every text that is not empty.</summary>
internal sealed record PrependStep(string Prefix) : NormalizerStep
{
    public override string Apply(string text) => text.Length == 0 ? text : Prefix + text;
}

/// <summary>Replaces each <paramref name="From"/> by <paramref name="To"/>.</summary>
internal sealed record ReplaceStep(string From, string To) : NormalizerStep
{
    public override string Apply(string text) => text.Replace(From, To, StringComparison.Ordinal);
}
