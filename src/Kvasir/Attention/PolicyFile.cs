using System.Text;

namespace Kvasir.Attention;

/// <summary>A policy that was written down: one, as it would be typed, on a line of its own; a # and what follows it on a line is a comment.</summary>
public static class PolicyFile
{
    private const int MaxBytes = 1 << 20;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="KvasirException">The file cannot be read, or does not hold one policy; the message names file and line.</exception>
    public static AttentionPolicy Read(string path)
    {
        AttentionPolicy? policy = null;
        var number = 0;
        foreach (var line in Text(path).Split('\n'))
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

    private static string Text(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes and var bytes })
                throw new KvasirException(KvasirError.BadFile, $"{path}: {bytes} bytes are more than the {MaxBytes} that a policy file may have");
            return Utf8.GetString(File.ReadAllBytes(path)).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException problem)
        {
            throw new KvasirException(KvasirError.BadFile, $"{path}: is no UTF-8 text", problem);
        }
        catch (Exception problem) when (problem is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} does not exist", problem);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be read: {problem.Message}", problem);
        }
    }
}
