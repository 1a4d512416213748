using Kvasir.Files;

namespace Kvasir.Attention.Policies;

/// <summary>A policy that was written down: one, as it would be typed, on a line of its own; a # and what follows it on a line is a comment.</summary>
public static class PolicyFile
{
    private const int MaxBytes = 1 << 20;

    /// <exception cref="KvasirException">The file cannot be read, or does not hold one policy; the message names file and line.</exception>
    public static AttentionPolicy Read(string path)
    {
        AttentionPolicy? policy = null;
        var number = 0;
        foreach (var line in PlainText.ReadFile(path, MaxBytes).Split('\n'))
        {
            number++;
            var text = WithoutComment(line);
            if (text.Length == 0)
                continue;
            if (policy is not null)
                throw new KvasirException(KvasirError.BadFile, $"{path}:{number}: is a second policy; a policy file has one");
            policy = Parse(text, path, number);
        }

        return policy ?? throw new KvasirException(KvasirError.BadFile, $"{path}: has no policy; one such as psa:coverage=0.9 is expected on a line");
    }

    // A number sign inside a word is part of it: it may be of a file's name.
    private static string WithoutComment(string line)
    {
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '#' && (i == 0 || char.IsWhiteSpace(line[i - 1])))
                return line[..i].Trim();
        }

        return line.Trim();
    }

    private static AttentionPolicy Parse(string text, string path, int number)
    {
        try
        {
            return PolicyCatalog.Parse(text);
        }
        catch (KvasirException refusal)
        {
            throw new KvasirException(refusal.Error, $"{path}:{number}: {refusal.Message}", refusal);
        }
    }
}
