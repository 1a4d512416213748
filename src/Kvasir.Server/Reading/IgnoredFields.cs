using System.Text;

namespace Kvasir.Server.Reading;

/// <summary>The fields of a request that nobody honours, by path, as a header names them.</summary>
/// <param name="isStrict">Whether there may be none.</param>
internal sealed class IgnoredFields(bool isStrict)
{
    private const int LimitChars = 512;
    private readonly StringBuilder _paths = new();
    private bool _isFull;

    /// <summary>With commas between; of more than fit, the first. Empty for none.</summary>
    public override string ToString() => _paths.ToString();

    /// <exception cref="Errors.RequestException">Nothing may be ignored.</exception>
    public void Add(RequestPath path)
    {
        var shown = path.ToString();
        if (isStrict)
            throw new Errors.RequestException(
                Errors.ErrorKind.InvalidValue, $"{Shown(shown)} is not known here, and this server refuses what it would ignore", Shown(shown));
        if (_isFull)
            return;
        var separator = _paths.Length == 0 ? "" : ",";
        _isFull = _paths.Length + separator.Length + shown.Length > LimitChars;
        if (!_isFull)
            _paths.Append(separator).Append(Shown(shown));
    }

    // A header takes printable ASCII; a client may write anything.
    private static string Shown(string path) => string.Concat(path.Select(static c => c is > ' ' and < (char)127 and not ',' ? c : '?'));
}
