using System.Security.Cryptography;
using System.Text;
using Kvasir.Ground;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Security;

/// <summary>The keys that open the server, as the key file last had them. Without a key file it is open to whoever reaches it.</summary>
internal sealed partial class KeyRing
{
    private readonly string? _path;
    private readonly ILogger<KeyRing> _log;
    private IReadOnlyList<AccessKey> _keys = [];

    /// <exception cref="KvasirException">There is a key file, and it is wrong.</exception>
    public KeyRing(IOptions<KvasirOptions> options, ILogger<KeyRing> log)
    {
        (_path, _log) = (options.Value.KeyFile, log);
        if (_path is not null)
            _keys = KeyFile.Read(_path);
    }

    public bool IsOpen => _path is null;

    /// <summary>Reads the file again. One that is wrong is told to the log, and the keys stay as they were.</summary>
    /// <returns>What is wrong with it; null where nothing is.</returns>
    public string? Reload()
    {
        if (_path is null)
            return null;
        try
        {
            var keys = KeyFile.Read(_path);
            Volatile.Write(ref _keys, keys);
            LogReloaded(keys.Count, _path);
            return null;
        }
        catch (KvasirException wrong)
        {
            LogKept(wrong.Message);
            return wrong.Message;
        }
    }

    /// <summary>Whose key it is. Takes the same time whichever it is, and whether or not it is one.</summary>
    public AccessKey? Find(string text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), hash);
        AccessKey? found = null;
        foreach (var key in Volatile.Read(ref _keys))
        {
            if (CryptographicOperations.FixedTimeEquals(key.Hash, hash))
                found = key;
        }

        return found;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Read {Count} keys from {Path}")]
    private partial void LogReloaded(int count, string path);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The keys stay as they were: {Problem}")]
    private partial void LogKept(string problem);
}
